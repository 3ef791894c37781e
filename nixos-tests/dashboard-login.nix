# The dashboard answers on loopback, and shows nothing to whoever has not logged in.
{ hyperhive, ... }:
{
  name = "hyperhive-dashboard-login";
  nodes.machine = hyperhive.machine { };
  testScript = hyperhive.script ''
    site = "http://127.0.0.1:7000"
    jar = "--cookie /root/jar --cookie-jar /root/jar"
    machine.wait_for_unit("hyperhive.service")
    machine.wait_for_open_port(7000)


    def status(what: str) -> str:
        """Of the answer to this request."""
        return machine.succeed(f"curl --silent --output /dev/null --write-out '%{{http_code}}' {what}")


    with subtest("nothing without a login"):
        assert status(f"{site}/healthz") == "200"
        for page in ("/", "/agents/manager", "/messages", "/audit", "/api/state", "/events"):
            assert status(site + page) in ("401", "403"), page
        assert "manager" not in machine.succeed(f"curl --silent {site}/")

    with subtest("a link logs in, once"):
        link = machine.succeed("hyperhive login-link").strip()
        code = link.removeprefix(f"{site}/login#")
        login = f"--header 'Origin: {site}' --data code={code} {site}/login"
        assert status(f"{jar} {login}") == "303"
        assert status(f"{jar} {site}/") == "200"
        assert "manager" in machine.succeed(f"curl --silent --fail {jar} {site}/")
        assert status(login) == "401"

    with subtest("only from this machine"):
        listening = machine.succeed("ss --listening --tcp --numeric --no-header 'sport = 7000'")
        assert [line.split()[3] for line in listening.splitlines()] == ["127.0.0.1:7000"], listening
  '';
}
