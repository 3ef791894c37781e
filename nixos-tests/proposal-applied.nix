# A commit that the manager proposes is shown, and runs once it is approved: exactly that commit.
{ hyperhive, ... }:
{
  name = "hyperhive-proposal-applied";
  nodes.machine = {
    imports = [ (hyperhive.machine (import ./lib/proposing.nix)) ];
    scenario = ./lib/proposals.yaml;
  };
  testScript = hyperhive.script ''
    hive.up("manager", "alice")
    before = hive.invocation("alice")
    wish = 'in alice put "echo *" "id" for "echo *"'
    machine.succeed(f"hyperhive send manager {shlex.quote(wish)}")
    number = hive.approval("alice")
    (asked,) = hive.json("hyperhive approvals")
    assert (asked["kind"], asked["requester"]) == ("apply_commit", "manager"), asked
    assert str(number) in hive.mail("^asked: ")

    with subtest("what it would do is shown, and nothing of it is done"):
        shown = hive.json(f"hyperhive diff {number}")
        (file,) = shown["changes"]["files"]
        assert file["path"] == "agent.nix", file
        assert any('"id"' in line["text"] for line in file["lines"] if line["kind"] == "added"), file
        wider = [it["option"] for it in shown["privileges"] if it["effect"] == "wider"]
        assert wider == ["allowedBash"], shown["privileges"]
        assert "allowedBash" in machine.succeed(f"hyperhive diff {number}")
        machine.succeed("hyperhive send alice 'run id'")
        assert "uid=" not in hive.mail(r"^\$ id")

    with subtest("an approval of another commit is refused"):
        other = "0" if not shown["commit"].startswith("0") else "1"
        machine.fail(f"hyperhive approve {number} --commit {other * 12}")

    machine.succeed(f"hyperhive approve {number} --commit {shown['commit'][:12]}")
    deploy = hive.until("second deploy", lambda: hive.deploys("alice")[1:])[0]
    found = (deploy["id"], deploy["kind"], deploy["state"], deploy["commit"])
    assert found == (number, "change", "done", shown["commit"]), deploy
    machine.succeed("hyperhive send alice 'run id'")
    hive.mail("uid=1000")
    assert hive.invocation("alice") == before

    with subtest("the manager hears of it, and finds it in its clone"):
        hive.mail(f"^rebuilt  {shown['commit']}")
        machine.succeed("hyperhive send manager 'show-ref --dereference'")
        refs = hive.mail("^git show-ref")
        for ref in (f"tags/deployed/{number}", f"tags/approved/{number}", "remotes/applied/main"):
            assert f"{shown['commit']} refs/{ref}" in refs, refs
  '';
}
