# A message reaches an agent, its model answers it, and the answer reaches the operator.
{ hyperhive, ... }:
{
  name = "hyperhive-message-round-trip";
  nodes.machine = hyperhive.machine { agents.alice.allowedBash = [ "echo *" ]; };
  testScript = hyperhive.script ''
    hive.up("alice")
    machine.succeed("hyperhive send alice 'run echo around and back'")
    answer = hive.mail("around and back")
    assert answer.startswith("$ echo around and back"), answer

    with subtest("it is settled, and paid for by the tokens of one turn"):
        hive.until("end of the turn", lambda: not hive.agent("alice")["turn"])
        alice = hive.agent("alice")
        assert alice["waiting"] == 0
        assert alice["last_turn"]["state"] == "clean", alice["last_turn"]
        assert alice["today"]["output_tokens"] > 0, alice["today"]

    with subtest("sent twice with one key, it is there once"):
        for _ in range(2):
            machine.succeed("hyperhive send --key once alice 'run echo only once'")
        hive.mail("only once")
        machine.succeed("hyperhive send alice 'run echo the end'")
        hive.mail("the end")
        sent = hive.json("hyperhive inbox --agent alice --limit 200")
        assert sum(message["body"] == "run echo only once" for message in sent) == 1
  '';
}
