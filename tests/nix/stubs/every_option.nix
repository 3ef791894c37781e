# Every option below `services.hyperhive` with its example, found in the option tree itself.
{ lib }:
let
  host = modules: import ./evaluate_host.nix { inherit lib modules; };
  evaluated = modules: (host modules).evaluated;

  # What the examples call the entries of attribute sets.
  entry = {
    agents = "alice";
    bindMounts = "/data";
    extraMcpServers = "issues";
    models = "sonnet";
  };
  # In place of examples that are expressions.
  expressions = {
    module = ./agents/alice;
    nixpkgs = "/other/nixpkgs";
    package = ./agents/alice;
  };

  valueOf =
    name: option:
    if option.example._type or "" == "literalExpression" then expressions.${name} else option.example;

  # [ { path, value, default } ]: of an option with sub-options these, else itself.
  leaves =
    path: options:
    lib.concatLists (
      lib.mapAttrsToList (
        name: option:
        let
          here = path ++ [ name ];
          below = removeAttrs (option.type.getSubOptions [ ]) [ "_module" ];
        in
        if name == "_module" then
          [ ]
        else if !lib.isOption option then
          leaves here option
        else if below != { } && entry ? ${name} then
          leaves (here ++ [ entry.${name} ]) below
        else
          [
            {
              path = here;
              value = valueOf name option;
              default = option.default or null;
            }
          ]
      ) options
    );

  servers.extraMcpServers.issues.command = "/bin/other-mcp";
  smallest = {
    services.hyperhive = {
      enable = true;
      credentialFile = "/run/secrets/key";
      models.sonnet.id = "claude-sonnet-4";
      models.haiku.id = "claude-haiku-5-5";
      agents.alice = servers;
      manager = servers;
      agentDefaults = servers;
      defaultModel = lib.mkDefault "haiku";
    };
  };
  package =
    { pkgs, ... }:
    {
      services.hyperhive.package = lib.mkDefault (
        pkgs.git
        // {
          python = "/python";
          typelibs = "/typelibs";
        }
      );
    };

  found = leaves [ "services" "hyperhive" ] (evaluated [ ]).options.services.hyperhive;
  # Where the smallest configuration has a value, the example's counts.
  setting =
    leaf:
    lib.setAttrByPath leaf.path (
      if lib.last leaf.path == "settings" then leaf.value else lib.mkForce leaf.value
    );
  of = wanted: lib.filter (leaf: !lib.elem (lib.last leaf.path) [ "enable" "package" ]) wanted;

  outcome =
    modules:
    let
      made = host ([
        smallest
        package
      ]
      ++ modules);
    in
    builtins.toJSON [
      made.configFile
      made.policy
      made.settings
      made.units
      made.evaluated.config.services.hyperhive.nix.prebuild
    ];
  everything = host ([
    smallest
    package
  ]
  ++ map setting (of found));
in
{
  paths = map (leaf: lib.concatStringsSep "." leaf.path) found;
  settings = everything.settings;
  inherit (everything) problems policy;
  # Options whose example is their default, and would show nothing.
  idle = map (leaf: lib.concatStringsSep "." leaf.path) (
    lib.filter (leaf: leaf.value == leaf.default) (of found)
  );
  # Options that, set by themselves, change nothing of what is installed.
  ignored = map (leaf: lib.concatStringsSep "." leaf.path) (
    lib.filter (leaf: outcome [ (setting leaf) ] == outcome [ ]) (of found)
  );
}
