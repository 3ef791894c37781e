# Declared agents as part of the host's own system: what is wrong with a module is seen by whoever
# rebuilds the host, and what it needs is in the store before the service has it built, offline.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.hyperhive;

  # Of a module elsewhere on the host nothing is known here.
  isHere = agent: agent.module == null || builtins.isPath agent.module;

  # The kind of a path as the directory above it says, which old Nix can tell as well.
  modulesOf =
    path:
    if path == null then
      [ ]
    else if (lib.readDir (dirOf path)).${baseNameOf path} or "" == "directory" then
      [ (path + "/agent.nix") ]
    else
      [ path ];

  bundle =
    name: agent:
    import ../mk-agent.nix {
      inherit (cfg.nix) nixpkgs;
      inherit name;
      inherit (pkgs.stdenv.hostPlatform) system;
      modules = modulesOf agent.module;
      declared = cfg.settings.agents.${name}.settings or cfg.settings.manager.settings;
    };

  # With what they are built from, so that a commit to them can be built, too.
  withInputs =
    made:
    lib.concatMap (it: [ it ] ++ lib.optional (it ? inputDerivation) it.inputDerivation) [
      made
      made.system
    ];
in
{
  options.services.hyperhive.nix.prebuild = lib.mkOption {
    type = lib.types.bool;
    default = true;
    example = false;
    description = ''
      Whether the manager and the declared agents are built together with the host. Mistakes in their
      modules are then errors of the rebuild, and the first start needs no network. It costs the
      evaluation of one small NixOS for each agent.
    '';
  };

  config = lib.mkIf (cfg.enable && cfg.nix.prebuild) {
    system.extraDependencies = lib.concatLists (
      lib.mapAttrsToList (name: agent: withInputs (bundle name agent)) (
        lib.filterAttrs (_: isHere) (cfg.agents // { inherit (cfg) manager; })
      )
    );
  };
}
