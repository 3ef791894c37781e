# What is destroyed is kept until it is purged; then nothing of it is left.
{ hyperhive, ... }:
{
  name = "hyperhive-destroy-purge";
  nodes.machine = hyperhive.machine { agents.alice.allowedBash = [ "touch *" ]; };
  testScript = hyperhive.script ''
    kept = "/var/lib/hyperhive/agents/alice"
    hive.up("alice")
    machine.succeed("hyperhive send alice 'run touch here'")
    hive.mail(r"^\$ touch here")

    with subtest("destroyed, its files stay"):
        machine.succeed("hyperhive destroy alice")
        hive.until("tombstone", lambda: hive.agent("alice")["state"] == "tombstone")
        machine.fail("machinectl show h-alice")
        machine.succeed(f"test -e {kept}/workspace/here")

    with subtest("and come back with it"):
        machine.succeed("hyperhive revive alice")
        hive.up("alice")
        assert hive.inside("alice", "test -e /workspace/here") == (0, "")

    with subtest("a purge has to be meant"):
        machine.fail("hyperhive destroy alice --purge --yes alicia")
        machine.succeed(f"test -e {kept}/workspace/here")

    with subtest("purged, nothing is left"):
        machine.succeed("hyperhive destroy alice --purge --yes alice")
        machine.wait_until_fails(f"test -e {kept}")
        machine.wait_until_fails("machinectl show h-alice")
        machine.wait_until_succeeds("test -z \"$(ls -A /var/lib/hyperhive/trash)\"")
        for path in ("/run/hyperhive/launch/alice.json", "/run/hyperhive/service/agents/alice"):
            machine.wait_until_fails(f"test -e {path}")
  '';
}
