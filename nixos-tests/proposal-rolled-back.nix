# A commit of which the agent does not come up is taken back by itself, and the manager is told.
{ hyperhive, ... }:
{
  name = "hyperhive-proposal-rolled-back";
  nodes.machine = {
    imports = [ (hyperhive.machine (import ./lib/proposing.nix)) ];
    scenario = ./lib/proposals.yaml;
  };
  testScript = hyperhive.script ''
    hive.up("manager", "alice")
    before = json.loads(machine.succeed("cat /run/hyperhive/launch/alice.json"))
    # Another limit has it started anew; the server that it needs is not there.
    broken = "hyperhive.limits.tasksMax = 500; hyperhive.healthTimeout = 60; "
    broken += 'hyperhive.extraMcpServers.gone.command = "/no/such/program"; '
    wish = f"in alice put {broken}hyperhive.allowedBash for hyperhive.allowedBash"
    machine.succeed(f"hyperhive send manager {shlex.quote(wish)}")
    number = hive.approval("alice")
    machine.succeed(f"hyperhive approve {number}")
    deploy = hive.until("second deploy", lambda: hive.deploys("alice")[1:])[0]
    assert (deploy["id"], deploy["state"]) == (number, "rolled_back"), deploy
    assert "gone" in deploy["error"], deploy
    (settled,) = hive.json("hyperhive approvals --all")
    assert settled["state"] == "rolled_back", settled

    hive.up("alice")
    after = json.loads(machine.succeed("cat /run/hyperhive/launch/alice.json"))
    assert after["bundle"] == before["bundle"]
    assert after["invocation_id"] != before["invocation_id"]
    machine.succeed("hyperhive send alice 'run echo as before'")
    hive.mail("as before")

    with subtest("the manager hears of it; what runs is what ran"):
        first = hive.deploys("alice")[0]["commit"]
        hive.mail(f"^rolled_back  {deploy['commit']} .*gone")
        machine.succeed("hyperhive send manager 'show-ref --dereference'")
        assert f"{first} refs/remotes/applied/main" in hive.mail("^git show-ref")
        machine.succeed("hyperhive send manager 'tag -n9'")
        assert re.search(f"failed/{number} .*gone", hive.mail("^git tag"))
  '';
}
