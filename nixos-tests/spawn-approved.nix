# The manager asks for an agent; it is there once the operator has approved it, and not before.
{ hyperhive, ... }:
{
  name = "hyperhive-spawn-approved";
  nodes.machine = {
    imports = [
      (hyperhive.machine {
        manager.autoStart = true;
        agentDefaults.allowedBash = [ "echo *" ];
      })
    ];
    # So that what bob is built of is in the store, as on a host that had agents before.
    specialisation.known.configuration.services.hyperhive.agents.bob.allowedBash = [ "echo *" ];
  };
  testScript = hyperhive.script ''
    hive.up("manager")
    machine.succeed("hyperhive send manager 'spawn bob Keeps the books.'")
    number = hive.approval("bob")
    (asked,) = hive.json("hyperhive approvals")
    assert (asked["kind"], asked["requester"]) == ("spawn", "manager"), asked
    assert not hive.agent("bob")

    machine.succeed(f"hyperhive approve {number} --note 'go on'")
    hive.up("bob")
    bob = hive.agent("bob")
    assert (bob["role"], bob["description"]) == ("worker", "Keeps the books."), bob
    hive.mail("bob is there")
    machine.succeed("hyperhive send manager 'tell bob run echo at work'")
    assert "at work" in hive.mail("bob writes: ")

    with subtest("what is denied does not appear"):
        machine.succeed("hyperhive send manager 'spawn carol'")
        machine.succeed(f"hyperhive deny {hive.approval('carol')} 'one is enough'")
        assert "one is enough" in hive.mail("no spawn of carol")
        assert not hive.agent("carol")
        machine.fail("machinectl show h-carol")
  '';
}
