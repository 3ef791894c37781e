# An agent that ends without being asked to is started again, and the manager is told.
{ hyperhive, ... }:
{
  name = "hyperhive-crash-event";
  nodes.machine = hyperhive.machine { agents.alice.description = "Falls over."; };
  testScript = hyperhive.script ''
    hive.up("alice")
    before = hive.invocation("alice")
    machine.succeed("systemctl kill --kill-whom=main --signal=KILL hyperhive-agent@alice.service")
    crash = json.loads(hive.mail("container_crash", agent="manager"))
    assert (crash["agent"], crash["reason"], crash["attempt"]) == ("alice", "killed", 1), crash

    hive.until("another run", lambda: hive.invocation("alice") != before)
    hive.up("alice")
    assert hive.agent("alice")["last_end"]["unexpected"]

    with subtest("what the operator stops is no crash"):
        machine.succeed("hyperhive kill alice")
        hive.until("its end", lambda: hive.agent("alice")["state"] == "stopped")
        told = hive.json("hyperhive inbox --agent manager --limit 200")
        assert sum("container_crash" in message["body"] for message in told) == 1, told
  '';
}
