# Mail that was accepted outlives a reboot of the host, and a power cut.
{ hyperhive, ... }:
{
  name = "hyperhive-host-reboot";
  nodes.machine = hyperhive.machine { agents.alice.allowedBash = [ "echo *" ]; };
  testScript = hyperhive.script ''
    hive.up("alice")
    machine.succeed("hyperhive kill alice")
    hive.until("its end", lambda: hive.agent("alice")["state"] == "stopped")

    with subtest("a reboot"):
        machine.succeed("hyperhive send alice 'run echo kept over a reboot'")
        machine.shutdown()
        machine.start()
        machine.wait_for_unit("hyperhive.service")
        alice = hive.agent("alice")
        assert (alice["wanted"], alice["waiting"]) == ("stopped", 1), alice

    with subtest("a power cut, right after a message is acknowledged"):
        machine.succeed("hyperhive send alice 'run echo kept over a power cut'")
        machine.crash()
        machine.start()
        machine.wait_for_unit("hyperhive.service")
        assert hive.agent("alice")["waiting"] == 2

    machine.succeed("hyperhive start alice")
    hive.up("alice")
    hive.mail("^. echo kept over a reboot")
    hive.mail("^. echo kept over a power cut")

    with subtest("what was running runs again"):
        machine.shutdown()
        machine.start()
        machine.wait_for_unit("hyperhive.service")
        hive.up("alice")
  '';
}
