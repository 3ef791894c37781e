# The oldest systemd and Nix that known faults allow; the service looks at its own parts itself.
{ config, lib, ... }:
let
  cfg = config.services.hyperhive;

  # For each part the first good release of each maintained line, the newest line last.
  floors = [
    {
      option = "systemd.package";
      inherit (config.systemd.package) version;
      lines = [
        "257.12"
        "258.6"
        "259.4"
        "260"
      ];
      why = "CVE-2026-40226";
    }
    {
      option = "nix.package";
      inherit (config.nix.package) version;
      lines = [
        "2.28.6"
        "2.29.3"
        "2.30.4"
        "2.31.4"
        "2.32.7"
        "2.33.4"
        "2.34.5"
      ];
      why = "CVE-2026-39860: whoever may build could write files as root";
    }
  ];

  # Whether a version belongs to the line of a release, of which the last number counts on.
  isOfLine =
    version: line:
    let
      start = lib.init (lib.splitVersion line);
    in
    start == lib.take (lib.length start) (lib.splitVersion version);
  meets =
    version: lines:
    lib.versionAtLeast version (lib.last lines)
    || lib.any (line: isOfLine version line && lib.versionAtLeast version line) (lib.init lines);

  low = map (
    it:
    lib.concatStrings [
      "${it.option}: ${it.version} is older than ${lib.concatStringsSep " or " it.lines} (${it.why}); "
      "take a newer one, or set services.hyperhive.strictVersions = false to accept it"
    ]
  ) (lib.filter (it: !meets it.version it.lines) floors);
in
{
  config = lib.mkIf cfg.enable {
    assertions = lib.optionals cfg.strictVersions (
      map (message: {
        assertion = false;
        inherit message;
      }) low
    );
    warnings = lib.optionals (!cfg.strictVersions) low;
  };
}
