# What is wrong with the settings of an agent beyond the types of their options. A module and a
# declaration on the host are checked alike; what a declaration does not set is null.
{ lib }:
let
  bash = import ./bash-patterns.nix { inherit lib; };
  hosts = import ./hosts.nix { inherit lib; };

  orEmpty = value: default: if value == null then default else value;

  # [ "option: `entry` what is wrong" ] for each entry that `problem` finds fault with.
  entries =
    where: problem: values:
    lib.concatMap (
      value: map (found: "${where}: ${found}") (lib.toList (orEmpty (problem value) [ ]))
    ) (orEmpty values [ ]);

  matching =
    pattern: max: what: value:
    if builtins.match pattern value != null && builtins.stringLength value <= max then
      null
    else
      "`${value}` ${what}";

  serverName =
    name:
    if name == "hyperhive" then
      "`hyperhive` is the name of the built-in server; choose another one"
    else
      matching "[a-z0-9]+([_-][a-z0-9]+)*" 40
        "is no name for a server; use a-z, 0-9 and single - or _, at most 40" name;
in
{
  # Sentences that begin with the option.
  problems =
    where: settings:
    entries "${where}.allowedBash" bash.problem settings.allowedBash
    ++ entries "${where}.allowedTools" (matching "\\*|[A-Za-z][A-Za-z0-9_]*" 100
      "must be the name of a Claude Code tool, such as `Read`, or `*`"
    ) settings.allowedTools
    ++ entries "${where}.allowedRecipients" (matching "\\*|[a-z][a-z0-9-]*" 20
      "must be the name of an agent, or `*` for all"
    ) settings.allowedRecipients
    ++ entries "${where}.extraMcpServers" serverName (
      lib.attrNames (orEmpty settings.extraMcpServers { })
    )
    ++ entries "${where}.egress.allow" (
      entry: lib.mapNullable (found: "`${entry}` ${found}") (hosts.problem entry)
    ) settings.egress.allow
    ++ lib.optional (
      builtins.stringLength (orEmpty settings.prompt "") > 65536
    ) "${where}.prompt: has more than 65536 bytes; put the rest into a file of the agent's workspace";

  # Sentences on patterns that grant more than they say.
  warnings =
    where: settings:
    map (found: "${where}.allowedBash: ${found}") (
      lib.concatMap bash.warnings (orEmpty settings.allowedBash [ ])
    );
}
