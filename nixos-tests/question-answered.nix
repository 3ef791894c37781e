# The manager asks the operator, and hears the answer.
{ hyperhive, ... }:
{
  name = "hyperhive-question-answered";
  nodes.machine = hyperhive.machine { manager.autoStart = true; };
  testScript = hyperhive.script ''
    hive.up("manager")
    machine.succeed("hyperhive send manager 'ask me Which colour?'")
    number = hive.question()
    asked = hive.json("hyperhive questions")[0]
    assert (asked["asker"], asked["question"]) == ("manager", "Which colour?"), asked

    machine.succeed(f"hyperhive answer {number} 'blue, of course'")
    assert hive.mail("I was told: ").endswith("I was told: blue, of course")
    assert hive.json("hyperhive questions") == []

    with subtest("the first answer counts"):
        machine.fail(f"hyperhive answer {number} red")
        settled = hive.json("hyperhive questions --all")[0]
        assert (settled["state"], settled["answer"]) == ("answered", "blue, of course"), settled
  '';
}
