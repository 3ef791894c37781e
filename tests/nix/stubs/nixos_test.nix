# A test as the NixOS driver is given it, with those of the driver's options that ours set, in the
# types that they have there. What becomes of it, as plain data.
{ lib, pkgs }:
test:
let
  inherit (lib) mkOption types;

  driver =
    { config, ... }:
    let
      machine = lib.evalModules {
        modules = [
          ./host.nix
          ./test_machine.nix
          config.defaults
          { _module.args = { inherit (config) nodes; }; }
        ];
        specialArgs = { inherit pkgs; };
      };
    in
    {
      options = {
        name = mkOption { type = types.str; };
        defaults = mkOption { type = types.deferredModule; };
        nodes = mkOption { type = types.lazyAttrsOf machine.type; };
        testScript = mkOption { type = types.either types.str (types.functionTo types.str); };
      };
      config._module.args = { inherit pkgs; };
    };

  inherit
    (lib.evalModules {
      modules = [
        driver
        test
      ];
    })
    config
    ;

  shown = machine: {
    problems = map (it: it.message) (lib.filter (it: !it.assertion) machine.assertions);
    inherit (machine) warnings;
    package = toString machine.services.hyperhive.package;
    settings = if machine.services.hyperhive.enable then machine.services.hyperhive.settings else null;
    # Evaluates what each declared agent is built of.
    prebuilt = map (it: "${it}") machine.system.extraDependencies;
    started = lib.mapAttrs (_: it: it.serviceConfig) machine.systemd.services;
    others = lib.mapAttrs (_: it: shown it.configuration) machine.specialisation;
  };
in
{
  inherit (config) name;
  script =
    if lib.isFunction config.testScript then
      config.testScript { inherit (config) nodes; }
    else
      config.testScript;
  machines = lib.mapAttrs (
    _: it: shown it // { toplevel = it.system.build.toplevel.outPath; }
  ) config.nodes;
}
