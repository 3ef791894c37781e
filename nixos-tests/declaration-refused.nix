# A changed declaration that the operator refuses changes nothing.
{ lib, hyperhive, ... }:
{
  name = "hyperhive-declaration-refused";
  nodes.machine = {
    imports = [ (hyperhive.machine { agents.alice.allowedBash = [ "echo *" ]; }) ];
    system.switch.enable = true;
    specialisation.changed.configuration = {
      services.hyperhive.agents.alice.allowedBash = lib.mkForce [ "id" ];
    };
  };
  testScript = hyperhive.script ''
    changed = "/run/booted-system/specialisation/changed/bin/switch-to-configuration test"
    hive.up("alice")
    before = hive.invocation("alice")
    machine.succeed(changed)
    number = hive.approval("alice")
    machine.succeed(f"hyperhive deny {number} 'not today'")
    (settled,) = hive.json("hyperhive approvals --all")
    assert (settled["state"], settled["note"]) == ("denied", "not today"), settled

    machine.succeed("hyperhive send alice 'run echo as before'")
    hive.mail("as before")
    machine.succeed("hyperhive send alice 'run id'")
    assert "uid=" not in hive.mail("This did not work")
    assert hive.invocation("alice") == before
    assert len(hive.deploys("alice")) == 1

    with subtest("it is not asked for again"):
        machine.succeed("systemctl restart hyperhive")
        hive.up("alice")
        assert hive.json("hyperhive approvals") == []
  '';
}
