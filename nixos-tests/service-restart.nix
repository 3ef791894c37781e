# The service is restarted, killed and away for a while; agents go on.
{ hyperhive, ... }:
{
  name = "hyperhive-service-restart";
  nodes.machine = hyperhive.machine {
    agents.alice.allowedBash = [ "echo *" ];
    agents.bob.description = "Does nothing.";
  };
  testScript = hyperhive.script ''
    hive.up("alice", "bob")
    before = [hive.invocation(name) for name in ("alice", "bob")]


    def same(word: str) -> None:
        """They are those of the beginning, and at work."""
        hive.up("alice", "bob")
        assert [hive.invocation(name) for name in ("alice", "bob")] == before
        machine.succeed(f"hyperhive send alice 'run echo {word}'")
        hive.mail(word)


    with subtest("a restart"):
        machine.succeed("systemctl restart hyperhive")
        same("restarted")

    with subtest("a crash"):
        machine.succeed("systemctl kill --kill-whom=main --signal=KILL hyperhive.service")
        machine.wait_until_succeeds("hyperhive status")
        same("killed")

    with subtest("a while without it"):
        machine.succeed("systemctl stop hyperhive")
        machine.fail("hyperhive status")
        machine.succeed("machinectl show h-alice", "machinectl show h-bob")
        machine.succeed("systemctl start hyperhive")
        same("away")

    told = hive.json("hyperhive inbox --agent manager --limit 200")
    assert not any("container_crash" in message["body"] for message in told), told
  '';
}
