# A changed declaration waits for the operator, and takes over without a restart when approved.
{ lib, hyperhive, ... }:
{
  name = "hyperhive-declaration-applied";
  nodes.machine = {
    imports = [ (hyperhive.machine { agents.alice.allowedBash = [ "echo *" ]; }) ];
    system.switch.enable = true;
    specialisation.changed.configuration = {
      services.hyperhive.agents.alice.allowedBash = lib.mkForce [
        "echo *"
        "id"
      ];
    };
  };
  testScript = hyperhive.script ''
    changed = "/run/booted-system/specialisation/changed/bin/switch-to-configuration test"
    hive.up("alice")
    before = hive.invocation("alice")
    (first,) = hive.deploys("alice")
    assert (first["kind"], first["state"]) == ("declare", "done"), first

    machine.succeed(changed)
    number = hive.approval("alice")
    (asked,) = hive.json("hyperhive approvals")
    assert asked["kind"] == "apply_commit", asked
    machine.succeed("hyperhive send alice 'run id'")
    hive.mail("This did not work")

    machine.succeed(f"hyperhive approve {number}")
    second = hive.until("second deploy", lambda: hive.deploys("alice")[1:])[0]
    assert (second["kind"], second["state"]) == ("change", "done"), second
    machine.succeed("hyperhive send alice 'run id'")
    hive.mail("uid=1000")
    assert hive.invocation("alice") == before

    with subtest("and back, by the operator"):
        machine.succeed("hyperhive rollback alice")
        third = hive.until("third deploy", lambda: hive.deploys("alice")[2:])[0]
        assert (third["kind"], third["state"]) == ("rollback", "done"), third
        assert hive.invocation("alice") == before
  '';
}
