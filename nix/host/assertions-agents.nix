# Mistakes in what is said of agents and models, each with its place and the remedy.
{ config, lib, options, ... }:
let
  cfg = config.services.hyperhive;
  here = "services.hyperhive";
  settings = import ../setting-problems.nix { inherit lib; };

  groups = {
    "${here}.manager" = cfg.manager;
    "${here}.agentDefaults" = cfg.agentDefaults;
  }
  // lib.mapAttrs' (name: agent: lib.nameValuePair "${here}.agents.${name}" agent) cfg.agents;
  ofGroups = check: lib.concatLists (lib.mapAttrsToList check groups);

  reserved = [
    "all"
    "host"
    "operator"
    "system"
  ];
  names = lib.concatMap (
    name:
    let
      where = "${here}.agents.${name}";
    in
    if name == "manager" then
      [ "${where}: the manager is configured under ${here}.manager; move this there" ]
    else if lib.elem name reserved then
      [ "${where}: `${name}` is reserved; choose another name" ]
    else if builtins.match "[a-z]([a-z0-9-]{0,18}[a-z0-9])?" name == null then
      [
        "${where}: `${name}` is no name for an agent; use 1 to 20 of a-z, 0-9 and `-`, beginning with a letter and not ending with `-`"
      ]
    else
      [ ]
  ) (lib.attrNames cfg.agents);

  known = lib.attrNames cfg.agents ++ [
    "*"
    "manager"
    "operator"
  ];
  recipients =
    where: agent:
    map (
      name:
      "${where}.allowedRecipients: there is no agent `${name}`; declare it as ${here}.agents.${name}, or take it out"
    ) (lib.subtractLists known (if agent.allowedRecipients == null then [ ] else agent.allowedRecipients));

  modelNames = lib.attrNames cfg.models ++ lib.mapAttrsToList (_: model: model.id) cfg.models;
  # Of each model its names, an alias that is its own id once.
  distinctNames = lib.concatLists (
    lib.mapAttrsToList (alias: model: lib.unique [ alias model.id ]) cfg.models
  );
  model =
    where: name:
    lib.optional (name != null && !lib.elem name modelNames)
      "${where}: `${name}` is not in ${here}.models; add it there, or use one of ${lib.concatStringsSep ", " (lib.attrNames cfg.models)}";
  hasDefault = options.services.hyperhive.defaultModel.isDefined;
  models = lib.concatLists [
    (lib.optional (cfg.models == { })
      "${here}.models: is empty; name a model, such as ${here}.models.sonnet.id = \"claude-sonnet-5-5\""
    )
    (lib.optionals (hasDefault && cfg.models != { }) (model "${here}.defaultModel" cfg.defaultModel))
    (lib.optional (!hasDefault && cfg.models != { })
      "${here}.defaultModel: is missing; set it to one of ${lib.concatStringsSep ", " (lib.attrNames cfg.models)}"
    )
    (model "${here}.helperModel" cfg.helperModel)
    (ofGroups (
      where: agent:
      model "${where}.model" agent.model ++ model "${where}.fallbackModel" agent.fallbackModel
    ))
    (map (name: "${here}.models: `${name}` is a name of two models; keep one of them, since budgets count by it") (
      lib.unique (lib.filter (name: lib.count (other: other == name) distinctNames > 1) distinctNames)
    ))
  ];

  limits =
    where: agent:
    lib.concatLists (
      lib.mapAttrsToList (
        name: value:
        let
          ceiling = cfg.limits.${name};
        in
        lib.optional (value != null && ceiling != null && value > ceiling)
          "${where}.limits.${name}: ${toString value} is above the ceiling of ${toString ceiling}; raise ${here}.limits.${name} or lower this"
      ) agent.limits
    );

  modules =
    where: agent:
    let
      inherit (agent) module;
      isPath = builtins.isPath module || lib.isStringLike module && lib.hasPrefix "/" (toString module);
      kind = (lib.readDir (dirOf module)).${baseNameOf module} or "missing";
    in
    if module == null then
      [ ]
    else if !isPath then
      [
        "${where}.module: must be a path, since a module in place cannot be written to git; put it into a file and give its path, such as ./agent.nix"
      ]
    else if builtins.isPath module && kind == "missing" then
      [ "${where}.module: ${toString module} does not exist; create it, and in a flake add it to git" ]
    else
      lib.optional
        (builtins.isPath module && kind == "directory" && !lib.pathExists (module + "/agent.nix"))
        "${where}.module: ${toString module} has no agent.nix; add it, or give the path of the file";

  # The places where the container has what is the agent's own or the kernel's.
  ours = [
    "/dev"
    "/home/agent"
    "/nix/store"
    "/proc"
    "/run/hive"
    "/state"
    "/sys"
    "/workspace"
  ];
  plain = path: builtins.match "(/[A-Za-z0-9._+=@-]+)+" path != null && builtins.match "(.*/)?[.][.]?(/.*)?" path == null;
  covers = target: place: target == place || lib.hasPrefix "${target}/" place || lib.hasPrefix "${place}/" target;
  binds =
    where: agent:
    lib.concatLists (
      lib.mapAttrsToList (
        target: bind:
        let
          covered = lib.findFirst (covers target) null ours;
        in
        map (path: "${where}.bindMounts: `${path}` is no plain absolute path; use one of letters, digits and ._+=@- without `..`") (
          lib.filter (path: !plain path) (lib.unique [ target (toString bind.hostPath) ])
        )
        ++ lib.optional (
          covered != null
        ) "${where}.bindMounts: `${target}` would cover ${covered}; choose another path in the container"
      ) (agent.bindMounts or { })
    )
    ++ map (device: "${where}.devices: `${device}` is no device; give a path below /dev") (
      lib.filter (device: !(plain device && lib.hasPrefix "/dev/" device)) (
        map toString (agent.devices or [ ])
      )
    );

  problems = lib.concatLists [
    names
    models
    (ofGroups settings.problems)
    (ofGroups recipients)
    (ofGroups limits)
    (ofGroups modules)
    (ofGroups binds)
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
