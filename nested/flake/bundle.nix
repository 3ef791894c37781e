# What an agent is started from. Settings and system are derivations of their own: who changes the
# one rebuilds, and restarts, nothing of the other.
{
  name,
  system,
  settings,
  packages,
}:
let
  run =
    name: script: environment:
    derivation (
      {
        inherit name system;
        builder = "/bin/sh";
        args = [
          "-euc"
          script
        ];
        PATH = "/usr/bin:/bin";
      }
      // environment
    );
  links = builtins.concatStringsSep "\n" (
    map (package: ''ln -s ${package} "$out/packages/"'') packages
  );
in
rec {
  settingsFile = run "${name}-agent.json" ''printf '%s\n' "$json" >"$out"'' {
    json = builtins.toJSON settings;
  };

  # The host's /usr is shown to every container.
  system = run "hyperhive-system" ''
    mkdir -p "$out/packages"
    ln -s /usr/lib/systemd/systemd "$out/init"
    ${links}
  '' { };

  bundle = run "${name}-bundle" ''
    mkdir "$out"
    cp "$settings" "$out/agent.json"
    ln -s "$root" "$out/system"
  '' {
    settings = settingsFile;
    root = system;
  };
}
