# `services.hyperhive.{manager,agents,agentDefaults}`: what the host grants each agent.
{ lib, ... }:
let
  inherit (lib) mkOption types;
  limitOptions = import ../limit-options.nix { inherit lib; };

  # Anything is taken here, so that an assertion can say what to do about an inline module.
  modulePath = lib.mkOptionType {
    name = "modulePath";
    description = "path of a file or directory";
    descriptionClass = "noun";
    merge = lib.mergeOneOption;
  };

  bindMount = types.submodule (
    { name, ... }:
    {
      options = {
        hostPath = mkOption {
          type = types.path;
          default = name;
          defaultText = lib.literalMD "the path in the container";
          example = "/srv/data";
          description = "Path on the host.";
        };
        isReadOnly = mkOption {
          type = types.bool;
          default = true;
          example = false;
          description = ''
            Whether the agent may only read. Where it may write, files keep the host's owners: they must
            allow it to the uid range of the agent.
          '';
        };
      };
    }
  );

  # What every agent has, spawned ones too.
  common = (import ../setting-options.nix { inherit lib; } { declared = true; }) // {
    module = mkOption {
      type = types.nullOr modulePath;
      default = null;
      example = lib.literalExpression "./agents/alice";
      description = ''
        What the agent's container has: the path of a NixOS module, or of a directory with `agent.nix`.
        It becomes the first commit of the agent's configuration, so it must be a path: a function
        cannot be written to git. `null` is a small module with a few tools.
      '';
    };
    apply = mkOption {
      type = types.enum [
        "ask"
        "always"
      ];
      default = "ask";
      example = "always";
      description = ''
        Whether a change of this declaration waits for the operator's approval, or is built and deployed
        at once when the host switches to it.
      '';
    };
    autoStart = mkOption {
      type = types.bool;
      default = true;
      example = false;
      description = "Whether the agent starts when it first appears.";
    };
    description = mkOption {
      type = types.str;
      default = "";
      example = "Writes the parser.";
      description = "What the agent is for. The operator and the manager see it.";
    };
    budget = {
      usdPerDay = mkOption {
        type = types.nullOr (types.numbers.between 0 1000000);
        default = null;
        example = 5;
        description = "US dollars that the agent may spend in a day of UTC, counted by the host.";
      };
      usdPerTurn = mkOption {
        type = types.nullOr (types.numbers.between 0 1000000);
        default = null;
        example = 0.5;
        description = "US dollars that one turn may cost.";
      };
      tokensPerDay = mkOption {
        type = types.nullOr (types.ints.between 0 1000000000000);
        default = null;
        example = 2000000;
        description = "Tokens that the agent may use in a day of UTC.";
      };
    };
    limits = limitOptions {
      note = "At most `services.hyperhive.limits` of the same name, which is also what `null` stands for.";
    };
  };

  # What the root-owned policy grants by name.
  granted = {
    bindMounts = mkOption {
      type = types.attrsOf bindMount;
      default = { };
      example = {
        "/data" = {
          hostPath = "/srv/data";
        };
      };
      description = ''
        Paths of the host that the agent sees, by their path in the container. Each opens the container
        a little: whatever can be reached through them is the agent's.
      '';
    };
    devices = mkOption {
      type = types.listOf types.path;
      default = [ ];
      example = [ "/dev/kvm" ];
      description = "Devices of the host that the agent may use.";
    };
    linuxCapabilities = mkOption {
      type = types.listOf (types.strMatching "CAP_[A-Z_]{1,36}");
      default = [ ];
      example = [ "CAP_NET_RAW" ];
      description = "Linux capabilities, see capabilities(7), that the agent's container keeps.";
    };
  };

  manage.capabilities = mkOption {
    # Another one is taken here too, so that an assertion can say what to do.
    type = types.listOf (types.strMatching "manage|propose" // { description = "\"manage\""; });
    default = [ ];
    example = [ "manage" ];
    description = ''
      With `"manage"` the agent sees, starts and stops agents, requests new ones, proposes changes of
      all configurations and asks the operator questions. The manager always can.
    '';
  };

  selfPropose.selfPropose = mkOption {
    type = types.bool;
    default = false;
    example = true;
    description = ''
      Whether the agent may propose changes of its own configuration, which wait for the operator's
      approval like those of the manager, who may for every agent.
    '';
  };

  role.role = mkOption {
    type = types.nullOr (types.enum [ "worker" ]);
    default = null;
    example = "worker";
    description = ''
      What the agent is in the swarm. There is one manager, under `services.hyperhive.manager`; all others
      are workers, also without a word.
    '';
  };
in
{
  options.services.hyperhive = {
    manager = common // granted;
    agents = mkOption {
      type = types.attrsOf (types.submodule { options = common // granted // manage // selfPropose // role; });
      default = { };
      example = lib.literalExpression ''
        {
          alice = {
            module = ./agents/alice;
            description = "Writes the parser.";
            allowedBash = [ "git status" "pytest *" ];
            budget.usdPerDay = 5;
          };
        }
      '';
      description = ''
        Agents that are there from the start, by name. One that is taken out is stopped and its files
        stay. A name has 1 to 20 of a-z, 0-9 and `-`, begins with a letter and does not end with `-`.
      '';
    };
    agentDefaults = common // manage // selfPropose;
  };
}
