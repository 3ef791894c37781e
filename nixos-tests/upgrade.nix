# An upgrade from the release before: agents go on, are out of date, and one command brings them up.
{ hyperhive, ... }:
let
  options = {
    agents.alice.allowedBash = [
      "echo *"
      "ls"
      "touch *"
    ];
    agents.bob.allowedBash = [ "echo *" ];
  };
in
{
  name = "hyperhive-upgrade";
  nodes.machine =
    { nodes, ... }:
    {
      imports = [
        (hyperhive.machine options)
        hyperhive.previous
      ];
      # Never booted, only switched to; so its agents are in the store as well.
      system.extraDependencies = [ nodes.upgraded.system.build.toplevel ];
    };
  nodes.upgraded = {
    imports = [ (hyperhive.machine options) ];
    system.switch.enable = true;
  };
  testScript =
    { nodes, ... }:
    hyperhive.script ''
      switch = "${nodes.upgraded.system.build.toplevel}/bin/switch-to-configuration test"
      hive.up("alice", "bob")
      machine.succeed("hyperhive send alice 'run touch kept'")
      hive.mail(r"^\$ touch kept")
      machine.succeed("hyperhive kill bob")
      hive.until("its end", lambda: hive.agent("bob")["state"] == "stopped")
      machine.succeed("hyperhive send bob 'run echo from before'")
      names = ("alice", "bob")
      assert not any(hive.agent(name)["needs_update"] for name in names)
      before, deploys = hive.invocation("alice"), len(hive.deploys("alice"))
      service = machine.succeed("systemctl show hyperhive --property=InvocationID --value")

      machine.succeed(switch)
      machine.wait_until_succeeds("hyperhive status")
      assert machine.succeed("systemctl show hyperhive --property=InvocationID --value") != service

      with subtest("agents go on, and are known to be out of date"):
          hive.up("alice")
          assert hive.invocation("alice") == before
          assert all(hive.agent(name)["needs_update"] for name in names)
          hive.mail('(?s)"needs_update".*"alice"', agent="manager")
          machine.succeed("hyperhive send alice 'run ls'")
          assert "kept" in hive.mail(r"^\$ ls")
          assert len(hive.deploys("alice")) == deploys

      with subtest("one command brings them up"):
          machine.succeed("hyperhive update --all")
          for name in names:
              hive.until(f"new {name}", lambda: not hive.agent(name)["needs_update"])
          last = hive.deploys("alice")[-1]
          assert (last["kind"], last["state"]) == ("update", "done"), last
          hive.up("alice")
          assert hive.inside("alice", "test -e /workspace/kept") == (0, "")

      with subtest("mail from before is there"):
          machine.succeed("hyperhive start bob")
          hive.up("bob")
          hive.mail("^. echo from before")
          told = hive.json("hyperhive inbox --agent manager --limit 200")
          assert not any("container_crash" in message["body"] for message in told), told
    '';
}
