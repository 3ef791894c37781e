# A declaration of which the agent does not come up is taken back; the agent runs as before.
{ lib, hyperhive, ... }:
{
  name = "hyperhive-declaration-rolled-back";
  nodes.machine = {
    imports = [
      (hyperhive.machine {
        agents.alice = {
          module = ./lib/agents/sound.nix;
          apply = "always";
        };
      })
    ];
    system.switch.enable = true;
    specialisation.broken.configuration = {
      services.hyperhive.agents.alice.module = lib.mkForce ./lib/agents/broken.nix;
    };
  };
  testScript = hyperhive.script ''
    broken = "/run/booted-system/specialisation/broken/bin/switch-to-configuration test"
    hive.up("alice")
    before = json.loads(machine.succeed("cat /run/hyperhive/launch/alice.json"))
    machine.succeed(broken)
    second = hive.until("second deploy", lambda: hive.deploys("alice")[1:])[0]
    assert (second["kind"], second["state"]) == ("declare", "rolled_back"), second
    assert "gone" in second["error"], second
    assert machine.succeed(f"hyperhive deploy-log {second['id']}")

    hive.up("alice")
    after = json.loads(machine.succeed("cat /run/hyperhive/launch/alice.json"))
    assert after["bundle"] == before["bundle"]
    machine.succeed("hyperhive send alice 'run echo as before'")
    hive.mail("as before")

    with subtest("it is not tried again by itself"):
        machine.succeed("systemctl restart hyperhive")
        hive.up("alice")
        assert len(hive.deploys("alice")) == 2
  '';
}
