# `services.hyperhive.*` for the hive as a whole.
{ lib, pkgs, ... }:
let
  inherit (lib) mkEnableOption mkOption types;
  ours = import ../types.nix { inherit lib; };

  price =
    what:
    mkOption {
      type = types.numbers.between 0 1000000;
      default = 0;
      example = 3.5;
      description = "US dollars per million tokens ${what}. Budgets in dollars count with it.";
    };

  model = types.submodule {
    options = {
      id = mkOption {
        type = ours.model;
        example = "claude-sonnet-5-5";
        description = "The full name that goes to the API.";
      };
      prices = {
        input = price "that the model reads";
        output = price "that the model writes";
        cacheRead = price "that are read from its cache";
        cacheWrite = price "that are written to its cache";
      };
      window = mkOption {
        type = types.ints.between 1000 100000000;
        default = 200000;
        example = 1000000;
        description = "Size of the model's context window in tokens.";
      };
    };
  };

  days =
    what: default:
    mkOption {
      type = types.numbers.between 0 36500;
      inherit default;
      example = 7;
      description = "Days that ${what} stay.";
    };
in
{
  options.services.hyperhive = {
    enable = mkEnableOption "hyperhive, a swarm of Claude Code agents in containers";

    package = mkOption {
      type = types.package;
      default = pkgs.callPackage ../package.nix { };
      defaultText = lib.literalMD "`packages.default` of the hyperhive flake, built with the host's nixpkgs";
      example = lib.literalExpression "inputs.hyperhive.packages.\${pkgs.system}.default";
      description = "The package of hyperhive to run.";
    };

    credentialFile = mkOption {
      type = types.path;
      example = "/run/secrets/anthropic";
      description = ''
        File with one line: the key for the model, either an API key or a long-lived OAuth token. Only
        root needs to read it. It is handed to the service by systemd, and enters neither the Nix store
        nor a container.
      '';
    };

    models = mkOption {
      type = types.attrsOf model;
      example = {
        sonnet.id = "claude-sonnet-5-5";
        haiku.id = "claude-haiku-5-5";
      };
      description = "The models that agents may use, by alias.";
    };

    defaultModel = mkOption {
      type = ours.model;
      defaultText = lib.literalMD "the only one of `models`, where there is just one";
      example = "sonnet";
      description = "Alias or id of the model for agents that name no other.";
    };

    helperModel = mkOption {
      type = types.nullOr ours.model;
      default = null;
      example = "haiku";
      description = ''
        Alias or id of the small model that Claude Code uses for chores. Every agent may use it.
      '';
    };

    dashboard = {
      host = mkOption {
        type = types.str;
        default = "127.0.0.1";
        example = "::1";
        description = "Address that the dashboard listens on.";
      };
      port = mkOption {
        type = types.port;
        default = 7000;
        example = 7070;
        description = "Port that the dashboard listens on.";
      };
      allowedHosts = mkOption {
        type = types.listOf types.str;
        default = [ ];
        example = [ "https://hive.example.org" ];
        description = ''
          How browsers call the dashboard besides `localhost`, as in their address bar. Needed where
          `host` is an address of the network, and behind a reverse proxy.
        '';
      };
      tokenFile = mkOption {
        type = types.nullOr types.path;
        default = null;
        example = "/run/secrets/hyperhive-token";
        description = ''
          File with one line: a fixed secret that logs in. Without it a login needs a link from
          `hyperhive login-link`.
        '';
      };
    };

    retention = {
      messageDays = days "handled messages" 30;
      messages = mkOption {
        type = types.ints.between 0 1000000000;
        default = 100000;
        example = 10000;
        description = "Handled messages that stay.";
      };
      eventDays = days "events" 30;
      events = mkOption {
        type = types.ints.between 1000 1000000000;
        default = 1000000;
        example = 50000;
        description = "Events that stay.";
      };
      turnLogDays = days "lines of the turn log" 14;
    };

    strictVersions = mkOption {
      type = types.bool;
      default = true;
      example = false;
      description = ''
        Whether to refuse to start with a part that is older than known faults allow. Otherwise there is
        a warning at start and on every page.
      '';
    };

    settings = mkOption {
      type = ours.json;
      default = { };
      example = {
        mail.maxHops = 50;
        runtime.crashLimit = 3;
      };
      description = ''
        Further options of the configuration file, which `docs/configuration.md` of hyperhive lists. The
        file is checked when the system is built. Secrets do not belong here: the file is world-readable.
      '';
    };
  };
}
