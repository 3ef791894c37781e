# An agent runs what its list allows; all else is refused before it runs.
{ hyperhive, ... }:
{
  name = "hyperhive-bash-allow-list";
  nodes.machine = hyperhive.machine {
    agents.alice.allowedBash = [
      "echo *"
      "touch allowed"
    ];
  };
  testScript = hyperhive.script ''
    workspace = "/var/lib/hyperhive/agents/alice/workspace"
    hive.up("alice")

    with subtest("what is on the list runs"):
        machine.succeed("hyperhive send alice 'run touch allowed'")
        hive.mail(r"^\$ touch allowed")
        machine.succeed(f"test -e {workspace}/allowed")

    with subtest("what is not, does not"):
        refused = (
            "touch refused",
            "touch allowed refused",
            "echo x; touch refused",
            "echo $(touch refused)",
            "echo x > refused",
            "id",
        )
        for number, command in enumerate(refused, 1):
            machine.succeed(f"hyperhive send alice {shlex.quote('run ' + command)}")
            answer = hive.mail(re.escape(f"$ {command}\nThis did not work"))
            assert "uid=" not in answer, answer
            machine.fail(f"test -e {workspace}/refused")
  '';
}
