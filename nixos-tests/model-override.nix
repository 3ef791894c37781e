# The operator overrides an agent's model, and takes that back.
{ hyperhive, ... }:
{
  name = "hyperhive-model-override";
  nodes.machine = hyperhive.machine { agents.alice.allowedBash = [ "echo *" ]; };
  testScript = hyperhive.script ''
    hive.up("alice")


    def used(word: str) -> str:
        """The model of the turn in which alice says this."""
        machine.succeed(f"hyperhive send alice 'run echo {word}'")
        hive.mail(word)
        hive.until("end of the turn", lambda: not hive.agent("alice")["turn"])
        return str(hive.agent("alice")["last_turn"]["model"])


    assert used("first") == "claude-sonnet-5-5"
    machine.succeed("hyperhive model alice haiku")
    assert used("second") == "claude-haiku-5-5"

    with subtest("it holds over a restart of the service"):
        machine.succeed("systemctl restart hyperhive")
        hive.up("alice")
        assert used("third") == "claude-haiku-5-5"

    machine.fail("hyperhive model alice opus")
    machine.succeed("hyperhive model alice --default")
    assert used("fourth") == "claude-sonnet-5-5"
  '';
}
