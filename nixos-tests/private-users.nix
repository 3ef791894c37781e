# A declared agent runs in a container with a range of uids of its own.
{ hyperhive, ... }:
{
  name = "hyperhive-private-users";
  nodes.machine = hyperhive.machine {
    agents.alice.description = "One of two.";
    agents.bob.description = "The other.";
  };
  testScript = hyperhive.script ''
    bases = []
    for name in ("alice", "bob"):
        hive.up(name)
        base = json.loads(machine.succeed(f"cat /run/hyperhive/launch/{name}.json"))["uid_base"]
        assert base % 65536 == 0, base
        assert 1_000_000_000 <= base < 1_879_048_192, base
        for user in ("root", "agent"):
            status, uid_map = hive.inside(name, "cat /proc/self/uid_map", user)
            assert status == 0, uid_map
            assert uid_map.split() == ["0", str(base), "65536"], uid_map
        leader = machine.succeed(f"machinectl show h-{name} --property=Leader --value").strip()
        assert machine.succeed(f"stat --format=%u /proc/{leader}").strip() == str(base)
        kept = f"/var/lib/hyperhive/agents/{name}"
        for directory in ("state", "home", "workspace"):
            found = machine.succeed(f"stat --format='%u %a' {kept}/{directory}").split()
            assert found == [str(base + 1000), "700"], found
        bases.append(base)
    assert bases[0] != bases[1]
  '';
}
