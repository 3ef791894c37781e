# What module.nix makes of a configuration, as plain data.
{ lib, modules }:
let
  pkgs = import ./pkgs.nix { inherit lib; };
  evaluated = lib.evalModules {
    modules = [
      ./host.nix
      ../../../module.nix
    ]
    ++ modules;
    specialArgs = { inherit pkgs; };
  };
  inherit (evaluated) config;
  text = it: it.text;
in
{
  inherit evaluated;
  prebuilt = config.system.extraDependencies;
  problems = map (it: it.message) (lib.filter (it: !it.assertion) config.assertions);
  inherit (config) warnings;
  settings = config.services.hyperhive.settings;
  configFile = config.environment.etc."hyperhive/config.yaml".source.script;
  restartedFor = map (it: it.name) (
    lib.filter lib.isDerivation config.systemd.services.hyperhive.restartTriggers
  );
  policy = config.environment.etc."hyperhive/policy.json";
  units = lib.foldl' (all: package: all // package.files) { } config.systemd.packages;
  inherit (config.systemd) services;
  tmpfiles = config.systemd.tmpfiles.rules;
  users = config.users.users;
  groups = lib.attrNames config.users.groups;
  polkit = {
    inherit (config.security.polkit) enable;
    rules = toString config.environment.etc."polkit-1/rules.d/50-hyperhive.rules".source;
  };
  journald = toString config.environment.etc."systemd/journald@hyperhive.conf".source;
}
