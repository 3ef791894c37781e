# docs/options.md, of the options as the modules declare them. To write it anew:
#   nix eval --raw --impure --expr 'import ./nix/docs.nix { }' >docs/options.md
{
  lib ? import <nixpkgs-lib/lib>,
}:
let
  declarationsOf =
    modules:
    lib.filter (option: option.visible && !option.internal) (
      lib.optionAttrSetToDocList
        (lib.evalModules {
          modules = modules ++ [ { _module.check = false; } ];
          specialArgs.pkgs = throw "a default that depends on packages has no defaultText";
        }).options
    );

  host = lib.filter (option: lib.hasPrefix "services." option.name) (declarationsOf [
    ./host/agent-options.nix
    ./host/limits.nix
    ./host/nix-options.nix
    ./host/options.nix
    ./host/prebuilt.nix
  ]);
  agent = lib.filter (option: lib.hasPrefix "hyperhive." option.name) (declarationsOf [
    ./agent/options.nix
  ]);

  # What every agent has is written once.
  ofAgents = "services.hyperhive.agents.<name>.";
  others = [
    "services.hyperhive.manager."
    "services.hyperhive.agentDefaults."
  ];
  names = map (option: option.name) host;
  suffix = prefix: option: lib.removePrefix prefix option.name;
  repeated =
    option:
    lib.any (
      prefix: lib.hasPrefix prefix option.name && lib.elem (ofAgents + suffix prefix option) names
    ) others;
  likewise =
    option:
    lib.filter (name: lib.hasPrefix ofAgents option.name && lib.elem name names) (
      map (prefix: prefix + suffix ofAgents option) others
    );

  code =
    text:
    if lib.hasInfix "\n" (lib.trim text) then
      "\n\n```nix\n${lib.trim text}\n```"
    else
      " `${lib.trim text}`";
  value = it: if it._type == "literalMD" then " ${it.text}" else code it.text;

  entry =
    option:
    lib.concatStringsSep "\n" (
      [
        "### `${option.name}`"
        ""
        (lib.trim option.description)
        ""
        "- type: ${option.type}"
      ]
      ++ lib.optional (option ? default) "- default:${value option.default}"
      ++ lib.optional (!(option ? default)) "- required"
      ++ lib.optional (option ? example) "- example:${value option.example}"
      ++ lib.optional (
        likewise option != [ ]
      ) "- likewise ${lib.concatMapStringsSep ", " (name: "`${name}`") (likewise option)}"
    )
    + "\n";
in
''
  # Options

  Generated from the modules by nix/docs.nix; changes here are lost.
  [nixos.md](nixos.md) shows how they work together.

  ## The host

  Of `nixosModules.default`, in the host's own configuration.

  ${lib.concatMapStringsSep "\n" entry (lib.filter (option: !repeated option) host)}
  ## An agent

  Of an agent's own module, which is in git and changes by approved commits.

  ${lib.concatMapStringsSep "\n" entry agent}''
