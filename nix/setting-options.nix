# The settings of an agent, which its own module sets as `hyperhive.*` and a declaration on the host
# as `services.hyperhive.agents.<name>.*`. There nothing is set unless it is given, so that a newer
# release with another default changes no declaration.
{ lib }:
{ declared }:
let
  inherit (lib) mkOption types;
  ours = import ./types.nix { inherit lib; };

  setting =
    type: default: rest:
    mkOption (
      rest
      // (
        if declared then
          {
            type = types.nullOr type;
            default = null;
            defaultText = lib.literalMD "what the agent's own module says";
          }
        else
          { inherit type default; }
      )
    );

  server = types.submodule {
    options = {
      command = mkOption {
        type = types.str;
        example = "/run/current-system/sw/bin/issues-mcp";
        description = "The program, which speaks MCP over its standard input and output.";
      };
      args = mkOption {
        type = types.listOf types.str;
        default = [ ];
        example = [ "--read-only" ];
        description = "Arguments of the program.";
      };
      env = mkOption {
        type = types.attrsOf types.str;
        default = { };
        example = {
          TRACKER = "main";
        };
        description = "Environment variables of the program. They are no place for secrets.";
      };
    };
  };
in
{
  model = setting (types.nullOr ours.model) null {
    example = "sonnet";
    description = ''
      The model that the agent thinks with: an alias or id of `services.hyperhive.models`. `null` is
      the host's `defaultModel`. The operator can override it while the agent runs.
    '';
  };
  fallbackModel = setting (types.nullOr ours.model) null {
    example = "haiku";
    description = "The model that Claude Code may use while the other one is overloaded.";
  };
  allowedBash = setting (types.listOf types.str) [ ] {
    example = [
      "git status"
      "pytest *"
    ];
    description = ''
      Commands that the agent may run, in Claude Code's own grammar: `prefix *`, the exact command, or
      `prefix:*`. `[ ]` allows none, `[ "*" ]` all. This is a guard rail: many programs start others,
      and only the container is a boundary.
    '';
  };
  allowedTools =
    setting (types.listOf types.str) [ "Read" "Edit" "Write" "Glob" "Grep" "Bash" ]
      {
        example = [
          "Read"
          "Grep"
        ];
        description = ''
          Tools of Claude Code that the agent may use. `[ ]` allows none, `[ "*" ]` all. The tools of
          hyperhive and of `extraMcpServers` are always allowed.
        '';
      };
  allowedRecipients = setting (types.listOf types.str) [ "*" ] {
    example = [ "alice" ];
    description = ''
      Agents that the agent may write to. `[ ]` allows none, `[ "*" ]` all. It can always write to the
      manager and to the operator.
    '';
  };
  extraMcpServers = setting (types.attrsOf server) { } {
    example = {
      issues = {
        command = "/run/current-system/sw/bin/issues-mcp";
        args = [ "--read-only" ];
      };
    };
    description = "Further MCP servers, by name, which are started in the agent's container.";
  };
  egress = {
    allow = setting (types.listOf types.str) [ ] {
      example = [
        "pypi.example:443"
        "*.example.org:443"
      ];
      description = ''
        Hosts that the agent reaches through the host's proxy, as `host:port`; it has no other way to
        the network. `*.example.org:443` stands for all sub-domains of `example.org`.
      '';
    };
    modelSide = setting (types.listOf types.str) [ ] {
      example = [ "web_search" ];
      description = "Tools that the model's own servers may run for the agent.";
    };
  };
  notes.compactAbove = setting (types.ints.between 1024 2147483648) 65536 {
    example = 32768;
    description = "Bytes of `/state/notes.md` above which the agent is asked to shorten it.";
  };
  context.compactAt = setting (types.numbers.between 0.1 0.95) 0.75 {
    example = 0.6;
    description = "Fraction of the model's window above which the agent's session is compacted.";
  };
  prompt = setting types.lines "" {
    example = "You know parsers well.";
    description = "The agent's role, added to its system prompt. At most 64 KiB.";
  };
  healthTimeout = setting (types.numbers.between 1 3600) 120.0 {
    # Nix prints it in one way or another, depending on its version.
    defaultText = lib.literalExpression "120";
    example = 300;
    description = "Seconds until a new version of the agent that has not come up healthy is rolled back.";
  };
}
