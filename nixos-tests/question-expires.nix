# What nobody answers in time expires, and the manager is told so.
{ hyperhive, ... }:
{
  name = "hyperhive-question-expires";
  nodes.machine = {
    imports = [ (hyperhive.machine { manager.autoStart = true; }) ];
    scenario = ./lib/soon.yaml;
  };
  testScript = hyperhive.script ''
    hive.up("manager")
    machine.succeed("hyperhive send manager 'ask me Too late?'")
    assert hive.mail("I heard ") == "To Too late? I heard expired: [expired]"
    (settled,) = hive.json("hyperhive questions --all")
    assert (settled["question"], settled["state"]) == ("Too late?", "expired"), settled
    assert hive.json("hyperhive questions") == []

    with subtest("an answer comes too late"):
        machine.fail(f"hyperhive answer {settled['id']} yes")

    with subtest("also while the service is away"):
        machine.succeed("hyperhive send manager 'ask me Anybody there?'")
        hive.question()
        machine.succeed("systemctl stop hyperhive", "sleep 11", "systemctl start hyperhive")
        assert "expired" in hive.mail("To Anybody there")
  '';
}
