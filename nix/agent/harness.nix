# The agent itself: Claude Code, and the harness that is between it and the host.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  harness = pkgs.callPackage ../harness.nix { };
in
{
  # Only this one, and only in here.
  nixpkgs.config.allowUnfreePredicate = package: lib.getName package == "claude-code";

  assertions = [
    {
      assertion = lib.versionAtLeast pkgs.claude-code.version "2.1.128";
      message = "claude-code: ${pkgs.claude-code.version} is older than 2.1.128 (CVE-2026-46406 and older escapes); take a newer nixpkgs";
    }
  ];

  environment.systemPackages = [
    pkgs.claude-code
    pkgs.git
    harness
  ];

  programs.git = {
    enable = true;
    config = {
      init.defaultBranch = "main";
      user = {
        name = lib.mkDefault config.networking.hostName;
        email = lib.mkDefault "${config.networking.hostName}@hyperhive.invalid";
      };
    };
  };

  systemd.services.hyperhive-harness = {
    description = "Harness";
    wantedBy = [ "multi-user.target" ];
    path = [
      "/run/wrappers"
      "/etc/profiles/per-user/agent"
      "/run/current-system/sw"
    ];
    environment = {
      HOME = "/home/agent";
      LANG = "C.UTF-8";
    };
    unitConfig = {
      # The end of the harness is the end of the container, with the same exit status.
      SuccessAction = "exit-force";
      FailureAction = "exit-force";
      # Told to stop it may end by SIGTERM, which has no status and would count as 255.
      SuccessActionExitStatus = 0;
      # Whatever else the agent's module starts, the harness waits for none of it.
      DefaultDependencies = false;
      Conflicts = "shutdown.target";
      Before = "shutdown.target";
    };
    serviceConfig = {
      User = "agent";
      WorkingDirectory = "/workspace";
      ExecStart = "${lib.getExe harness} run";
      UMask = "0077";
      StandardOutput = "journal+console";
      SyslogIdentifier = "hyperhive-harness";
      TimeoutStopSec = 5;
    };
  };
}
