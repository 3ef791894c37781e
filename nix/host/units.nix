# Everything that packaging/ holds, which is where it is described.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.hyperhive;
  packaging = ../../packaging;

  programs = [
    config.systemd.package
    config.nix.package
    pkgs.util-linux
    pkgs.git
  ];

  credentials = lib.concatStringsSep "\n" (
    [ "LoadCredential=credential:${cfg.credentialFile}" ]
    ++ lib.optional (cfg.dashboard.tokenFile != null) "LoadCredential=token:${cfg.dashboard.tokenFile}"
  );
  substituted = lib.replaceStrings
    [
      "@python@"
      "@path@"
      "LoadCredential=credential:/etc/hyperhive/credential"
    ]
    [
      "${cfg.package.python}/bin/python3"
      "${lib.makeBinPath programs}:${lib.makeSearchPathOutput "bin" "sbin" programs}"
      credentials
    ];

  # Below packaging/systemd, where drop-ins are in directories.
  unitFiles = lib.concatLists (
    lib.mapAttrsToList (
      name: kind:
      if kind == "directory" then
        map (file: "${name}/${file}") (lib.attrNames (lib.readDir (packaging + "/systemd/${name}")))
      else
        [ name ]
    ) (lib.readDir (packaging + "/systemd"))
  );

  unitPackage = pkgs.linkFarm "hyperhive-units" (
    map (file: {
      name = "lib/systemd/system/${file}";
      path = pkgs.writeText (lib.strings.sanitizeDerivationName (baseNameOf file)) (
        substituted (lib.readFile (packaging + "/systemd/${file}"))
      );
    }) unitFiles
  );

  lines = file: lib.filter (line: line != "" && !lib.hasPrefix "#" line) (
    lib.splitString "\n" (lib.readFile file)
  );
in
{
  config = lib.mkIf cfg.enable {
    environment.systemPackages = [ cfg.package ];

    systemd.packages = [ unitPackage ];
    systemd.services.hyperhive = {
      wantedBy = [ "multi-user.target" ];
      path = programs;
      environment.GI_TYPELIB_PATH = cfg.package.typelibs;
      # Agents do not notice a restart, and it is shorter than a stop and a start.
      stopIfChanged = false;
    };
    systemd.tmpfiles.rules = lib.concatMap (file: lines (packaging + "/tmpfiles/${file}")) (
      lib.attrNames (lib.readDir (packaging + "/tmpfiles"))
    );

    environment.etc = {
      "polkit-1/rules.d/50-hyperhive.rules".source = packaging + "/polkit/50-hyperhive.rules";
      "systemd/journald@hyperhive.conf".source = packaging + "/journald/hyperhive.conf";
    };
    security.polkit.enable = true;
    # It does not see that the file behind the link in its directory is another one.
    systemd.services.polkit.restartTriggers = [ (packaging + "/polkit/50-hyperhive.rules") ];

    users.users = {
      hyperhive = {
        isSystemUser = true;
        description = "hyperhive";
        home = "/var/lib/hyperhive/service";
        group = "hyperhive";
        extraGroups = [ "hyperhive-build" ];
      };
      hyperhive-build = {
        isSystemUser = true;
        description = "Evaluates and builds agents of hyperhive";
        group = "hyperhive-build";
      };
    };
    users.groups = {
      hyperhive = { };
      hyperhive-admin = { };
      hyperhive-build = { };
    };
  };
}
