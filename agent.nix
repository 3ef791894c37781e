# The inside of an agent's container, and the options that the agent's own module may set.
{
  imports = [
    ./nix/agent/options.nix
    ./nix/agent/container.nix
    ./nix/agent/harness.nix
    ./nix/agent/bundle.nix
  ];
}
