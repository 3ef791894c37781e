# hyperhive on NixOS: options, configuration file, policy, units, users. docs/nixos.md explains it.
{
  imports = [
    ./nix/host/options.nix
    ./nix/host/limits.nix
    ./nix/host/nix-options.nix
    ./nix/host/agent-options.nix
    ./nix/host/assertions-agents.nix
    ./nix/host/assertions-system.nix
    ./nix/host/versions.nix
    ./nix/host/config-file.nix
    ./nix/host/policy.nix
    ./nix/host/prebuilt.nix
    ./nix/host/units.nix
  ];
}
