# Mistakes in what agents get of the host, and in what the host has around hyperhive, each with its
# place and the remedy.
{ config, lib, ... }:
let
  cfg = config.services.hyperhive;
  here = "services.hyperhive";
  inherit (cfg) dashboard;

  wrong =
    where: what: remedy:
    "${where}: ${what}; ${remedy}";

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
  isPlain =
    path:
    builtins.match "(/[A-Za-z0-9._+=@-]+)+" path != null
    && builtins.match "(.*/)?[.][.]?(/.*)?" path == null;
  isAround = outer: inner: outer == inner || lib.hasPrefix "${outer}/" inner;

  ofBind =
    at: target: bind:
    let
      covered = lib.findFirst (place: isAround target place || isAround place target) null ours;
    in
    map (
      path:
      at "`${path}` is no plain absolute path" "use one of letters, digits and ._+=@- without `..`"
    ) (lib.filter (path: !isPlain path) [ target "${bind.hostPath}" ])
    ++ lib.optional (covered != null) (
      at "`${target}` would cover ${covered}" "choose another path in the container"
    );
  grants =
    where: agent:
    lib.concatLists (lib.mapAttrsToList (ofBind (wrong "${where}.bindMounts")) agent.bindMounts)
    ++ map (device: wrong "${where}.devices" "`${device}` is no device" "give a path below /dev") (
      lib.filter (device: !(isPlain device && lib.hasPrefix "/dev/" device)) agent.devices
    );

  ssh = config.services.openssh;
  web = config.services.nginx;
  taken =
    lib.optionalAttrs ssh.enable (lib.genAttrs (map toString ssh.ports) (_: "services.openssh"))
    // lib.optionalAttrs web.enable (
      lib.genAttrs [
        (toString web.defaultHTTPListenPort)
        (toString web.defaultSSLListenPort)
      ] (_: "services.nginx")
    );
  local = [
    "127.0.0.1"
    "::1"
    "localhost"
    "0.0.0.0"
    "::"
  ];
  port = toString dashboard.port;
  addresses =
    lib.optional (taken ? ${port}) (
      wrong "${here}.dashboard.port" "${taken.${port}} listens on ${port} already" "choose another port"
    )
    ++ lib.optional (dashboard.allowedHosts == [ ] && !lib.elem dashboard.host local) (
      wrong "${here}.dashboard.allowedHosts" "is missing" (
        "list the address of the dashboard as it stands in browsers"
      )
    );

  secret =
    where: file:
    lib.optional (file != null && lib.hasPrefix "${builtins.storeDir}/" (toString file)) (
      wrong where "${toString file} is in the Nix store, where everybody can read it" (
        "give the path of a file outside as text, such as \"/run/secrets/hyperhive\""
      )
    );

  daemon = config.nix.settings;
  trusted = lib.intersectLists [
    "*"
    "hyperhive"
    "@hyperhive"
    "hyperhive-build"
    "@hyperhive-build"
  ] daemon.trusted-users;
  mayBuild = lib.any (name: lib.elem name daemon.allowed-users) [
    "*"
    "hyperhive-build"
    "@hyperhive-build"
  ];
  nix =
    lib.optional (!config.nix.enable) (
      wrong "nix.enable" "agents are built with Nix" "set it to true"
    )
    ++ lib.optional (daemon.sandbox != true) (
      wrong "nix.settings.sandbox" "builds of agents could read the host's files" "set it to true"
    )
    ++ lib.optional (trusted != [ ]) (
      wrong "nix.settings.trusted-users" (
        "`${lib.head trusted}` makes who builds agents as good as root"
      ) "take it out"
    )
    ++ lib.optional (!mayBuild) (
      wrong "nix.settings.allowed-users" "agents cannot be built" "add \"hyperhive-build\""
    );

  problems = lib.concatLists [
    (grants "${here}.manager" cfg.manager)
    (lib.concatLists (
      lib.mapAttrsToList (name: grants "${here}.agents.${name}") cfg.agents
    ))
    addresses
    (secret "${here}.credentialFile" cfg.credentialFile)
    (secret "${here}.dashboard.tokenFile" dashboard.tokenFile)
    nix
  ];
in
{
  config = lib.mkIf cfg.enable {
    assertions = map (message: {
      assertion = false;
      inherit message;
    }) problems;
  };
}
