# Mistakes in what is said of agents and models, each with its place and the remedy.
{
  config,
  lib,
  options,
  ...
}:
let
  cfg = config.services.hyperhive;
  here = "services.hyperhive";
  settings = import ../setting-problems.nix { inherit lib; };

  wrong =
    where: what: remedy:
    "${where}: ${what}; ${remedy}";
  listed = lib.concatStringsSep ", ";

  groups = {
    "${here}.manager" = cfg.manager;
    "${here}.agentDefaults" = cfg.agentDefaults;
  }
  // lib.mapAttrs' (name: lib.nameValuePair "${here}.agents.${name}") cfg.agents;
  ofGroups = check: lib.concatLists (lib.mapAttrsToList check groups);

  reserved = [
    "all"
    "host"
    "operator"
    "system"
  ];
  ofName =
    name:
    let
      at = wrong "${here}.agents.${name}";
    in
    if name == "manager" then
      [ (at "the manager is configured under ${here}.manager" "move this there") ]
    else if lib.elem name reserved then
      [ (at "`${name}` is reserved" "choose another name") ]
    else
      lib.optional (builtins.match "[a-z]([a-z0-9-]{0,18}[a-z0-9])?" name == null) (
        at "`${name}` is no name for an agent" (
          "use 1 to 20 of a-z, 0-9 and `-`, beginning with a letter and not ending with `-`"
        )
      );

  recipients =
    where: agent:
    let
      known = lib.attrNames cfg.agents ++ [
        "*"
        "manager"
        "operator"
      ];
      named = if agent.allowedRecipients == null then [ ] else agent.allowedRecipients;
    in
    map (
      name:
      wrong "${where}.allowedRecipients" "there is no agent `${name}`" (
        "declare it as ${here}.agents.${name}, or take it out"
      )
    ) (lib.subtractLists known named);

  aliases = lib.attrNames cfg.models;
  # Of each model its alias and id, which may be the same.
  modelNames = lib.concatLists (
    lib.mapAttrsToList (
      alias: model:
      lib.unique [
        alias
        model.id
      ]
    ) cfg.models
  );
  hasDefault = options.services.hyperhive.defaultModel.isDefined;

  ofModel =
    where: name:
    lib.optional (name != null && !lib.elem name modelNames) (
      wrong where "`${name}` is not in ${here}.models" "add it there, or use one of ${listed aliases}"
    );
  models =
    if cfg.models == { } then
      [
        (wrong "${here}.models" "is empty" (
          "name a model, such as ${here}.models.sonnet.id = \"claude-sonnet-5-5\""
        ))
      ]
    else
      map (
        name:
        wrong "${here}.models" "`${name}` is a name of two models" (
          "keep one of them, since budgets count by it"
        )
      ) (lib.unique (lib.filter (name: lib.count (it: it == name) modelNames > 1) modelNames))
      ++ (
        if hasDefault then
          ofModel "${here}.defaultModel" cfg.defaultModel
        else
          [ (wrong "${here}.defaultModel" "is missing" "set it to one of ${listed aliases}") ]
      )
      ++ ofModel "${here}.helperModel" cfg.helperModel;
  modelsOf =
    where: agent:
    ofModel "${where}.model" agent.model ++ ofModel "${where}.fallbackModel" agent.fallbackModel;

  limits =
    where: agent:
    lib.concatLists (
      lib.mapAttrsToList (
        name: value:
        let
          ceiling = cfg.limits.${name};
        in
        lib.optional (value != null && ceiling != null && value > ceiling) (
          wrong "${where}.limits.${name}" "${toString value} is above the ceiling of ${toString ceiling}" (
            "raise ${here}.limits.${name} or lower this"
          )
        )
      ) agent.limits
    );

  modules =
    where: agent:
    let
      inherit (agent) module;
      at = wrong "${where}.module";
      isPath = builtins.isPath module || lib.isStringLike module && lib.hasPrefix "/" "${module}";
      # As the directory above it says, which old Nix can tell as well.
      kind = (lib.readDir (dirOf module)).${baseNameOf module} or null;
    in
    if module == null then
      [ ]
    else if !isPath then
      [
        (at "must be a path, since a module in place cannot be written to git" (
          "put it into a file and give its path, such as ./agent.nix"
        ))
      ]
    else if !builtins.isPath module then
      [ ]
    else if kind == null then
      [ (at "${toString module} does not exist" "create it, and in a flake add it to git") ]
    else
      lib.optional (kind == "directory" && !lib.pathExists (module + "/agent.nix")) (
        at "${toString module} has no agent.nix" "add it, or give the path of the file"
      );

  capabilities =
    where: agent:
    lib.optional (lib.elem "propose" (agent.capabilities or [ ])) (
      wrong "${where}.capabilities" "there is no `propose`" (
        "set ${where}.selfPropose = true, with which the agent may propose changes of itself"
      )
    );

  problems = lib.concatLists [
    (lib.concatMap ofName (lib.attrNames cfg.agents))
    models
    (ofGroups modelsOf)
    (ofGroups settings.problems)
    (ofGroups recipients)
    (ofGroups capabilities)
    (ofGroups limits)
    (ofGroups modules)
  ];
in
{
  config = lib.mkIf cfg.enable {
    assertions = map (message: {
      assertion = false;
      inherit message;
    }) problems;
    warnings = ofGroups settings.warnings;
  };
}
