# A terminal of an agent in the browser, which is a WebSocket, and on the command line.
{ hyperhive, ... }:
{
  name = "hyperhive-terminal";
  nodes.machine = hyperhive.machine { agents.alice.description = "Has a terminal."; };
  testScript =
    { nodes, ... }:
    hyperhive.script ''
      browser = "${nodes.machine.services.hyperhive.package.python}/bin/python3 ${./lib/terminal.py}"
      hive.up("alice")

      with subtest("as the dashboard has it"):
          link = machine.succeed("hyperhive login-link").strip()
          shown = machine.succeed(f"{browser} {link} alice 'echo I am $(id -un)'")
          assert "I am agent" in shown, shown

      with subtest("not without a login"):
          machine.fail(f"{browser} http://127.0.0.1:7000/login#wrong alice id")

      with subtest("on the command line, as root too"):
          shown = machine.succeed("echo 'echo I am in $PWD' | hyperhive shell alice")
          assert "I am in /workspace" in shown, shown
          shown = machine.succeed("echo 'echo I am $(id -un)' | hyperhive shell alice --user root")
          assert "I am root" in shown, shown
    '';
}
