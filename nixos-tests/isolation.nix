# From inside an agent, as its root too, nothing answers: not the host, no other agent, no network.
{ hyperhive, ... }:
{
  name = "hyperhive-isolation";
  nodes.machine = {
    imports = [
      (hyperhive.machine {
        agents.alice.description = "Tries.";
        agents.bob.description = "Listens.";
      })
    ];
    services.nginx.enable = true;
  };
  # The internet, as far as anybody here knows.
  nodes.outside = {
    services.nginx.enable = true;
    networking.firewall.enable = false;
  };
  testScript = hyperhive.script ''
    start_all()
    outside.wait_for_open_port(80)
    hive.up("alice", "bob")
    machine.wait_for_open_port(80)
    git = "/run/current-system/sw/bin/git"
    bobs = f"{git} daemon --listen=127.0.0.1 --port=9418"
    machine.succeed(f"systemd-run --machine=h-bob --unit=listening {bobs}")
    far = machine.succeed("getent ahostsv4 outside").split()[0]
    host = outside.succeed("getent ahostsv4 machine").split()[0]


    def connect(address: str, port: int) -> str:
        return f"timeout 5 bash -c '</dev/tcp/{address}/{port}'"


    with subtest("what listens can be reached"):
        machine.succeed(connect(far, 80), connect(host, 80), connect("127.0.0.1", 8765))
        hive.until("listener", lambda: hive.inside("bob", connect("127.0.0.1", 9418))[0] == 0)

    with subtest("but not from inside"):
        targets = [(far, 80), (host, 80), ("127.0.0.1", 8765), ("127.0.0.1", 9418)]
        for user in ("agent", "root"):
            for address, port in targets:
                status, output = hive.inside("alice", connect(address, port), user)
                assert status != 0, (user, address, port)
                assert re.search("unreachable|refused", output), output
            status, names = hive.inside("alice", "ls -A /sys/class/net", user)
            assert (status, names.split()) == (0, ["lo"]), names

    with subtest("nor are files of others there"):
        for user in ("agent", "root"):
            for path in ("/var/lib/hyperhive", "/etc/hyperhive", "/run/hyperhive", "/run/secrets"):
                status, _ = hive.inside("alice", f"test -e {path}", user)
                assert status == 1, (user, path)
            assert hive.inside("alice", "test -S /run/hive/hive.sock", user)[0] == 0
            assert hive.inside("alice", "touch /run/hive/another", user)[0] != 0
        status, output = hive.inside("alice", "test -e /nix/var/nix/daemon-socket/socket")
        assert status == 1, output
  '';
}
