# A commit that the operator denies changes nothing; the manager is told why, and finds it in its clone.
{ hyperhive, ... }:
{
  name = "hyperhive-proposal-refused";
  nodes.machine = {
    imports = [ (hyperhive.machine (import ./lib/proposing.nix)) ];
    scenario = ./lib/proposals.yaml;
  };
  testScript = hyperhive.script ''
    hive.up("manager", "alice")
    before = hive.invocation("alice")
    wish = 'in alice put "*" for "echo *"'
    machine.succeed(f"hyperhive send manager {shlex.quote(wish)}")
    number = hive.approval("alice")
    commit = hive.json(f"hyperhive diff {number}")["commit"]
    machine.succeed(f"hyperhive deny {number} 'too much at once'")
    assert hive.mail(f"resolved denied {commit}").endswith("too much at once")
    machine.succeed("hyperhive send manager 'tag -n9'")
    assert re.search(f"denied/{number} +too much at once", hive.mail("^git tag"))

    with subtest("it runs as before"):
        machine.succeed("hyperhive send alice 'run id'")
        assert "uid=" not in hive.mail(r"^\$ id")
        assert hive.invocation("alice") == before
        assert len(hive.deploys("alice")) == 1
        machine.fail(f"hyperhive approve {number}")

    with subtest("a module that is wrong never waits for anybody"):
        wish = 'in alice put hyperhive.allowedBahs for hyperhive.allowedBash'
        machine.succeed(f"hyperhive send manager {shlex.quote(wish)}")
        assert "allowedBahs" in hive.mail("resolved failed ")
        assert hive.json("hyperhive approvals") == []
        assert len(hive.deploys("alice")) == 1
  '';
}
