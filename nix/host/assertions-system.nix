# Mistakes in what the host has around hyperhive, each with its place and the remedy.
{ config, lib, ... }:
let
  cfg = config.services.hyperhive;
  here = "services.hyperhive";

  inherit (cfg) dashboard;
  taken =
    lib.optionalAttrs config.services.openssh.enable (
      lib.listToAttrs (map (port: lib.nameValuePair (toString port) "services.openssh") config.services.openssh.ports)
    )
    // lib.optionalAttrs config.services.nginx.enable {
      ${toString config.services.nginx.defaultHTTPListenPort} = "services.nginx";
      ${toString config.services.nginx.defaultSSLListenPort} = "services.nginx";
    };
  loopback = [
    "127.0.0.1"
    "::1"
    "localhost"
    "0.0.0.0"
    "::"
  ];
  ports =
    lib.optional (taken ? ${toString dashboard.port})
      "${here}.dashboard.port: ${taken.${toString dashboard.port}} listens on ${toString dashboard.port} already; choose another port"
    ++ lib.optional (dashboard.allowedHosts == [ ] && !lib.elem dashboard.host loopback)
      "${here}.dashboard.allowedHosts: is missing; list the address of the dashboard as it stands in browsers";

  secrets =
    lib.concatMap
      (
        { where, file }:
        lib.optional (lib.hasPrefix "${builtins.storeDir}/" (toString file))
          "${where}: ${toString file} is in the Nix store, where everybody can read it; give the path of a file outside as text, such as \"/run/secrets/hyperhive\""
      )
      (
        [
          {
            where = "${here}.credentialFile";
            file = cfg.credentialFile;
          }
        ]
        ++ lib.optional (dashboard.tokenFile != null) {
          where = "${here}.dashboard.tokenFile";
          file = dashboard.tokenFile;
        }
      );

  daemon = config.nix.settings;
  trusted = lib.intersectLists (daemon.trusted-users or [ ]) [
    "*"
    "hyperhive"
    "@hyperhive"
    "hyperhive-build"
    "@hyperhive-build"
  ];
  nix =
    lib.optional (!config.nix.enable) "nix.enable: agents are built with Nix; set it to true"
    ++ lib.optional (
      (daemon.sandbox or true) != true
    ) "nix.settings.sandbox: builds of agents could read the host's files; set it to true"
    ++ lib.optional (trusted != [ ])
      "nix.settings.trusted-users: `${lib.head trusted}` makes who builds agents as good as root; take it out"
    ++ lib.optional (
      lib.intersectLists (daemon.allowed-users or [ "*" ]) [
        "*"
        "hyperhive-build"
        "@hyperhive-build"
      ] == [ ]
    ) "nix.settings.allowed-users: agents cannot be built; add \"hyperhive-build\"";
in
{
  config = lib.mkIf cfg.enable {
    assertions = map (message: {
      assertion = false;
      inherit message;
    }) (ports ++ secrets ++ nix);
  };
}
