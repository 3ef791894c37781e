# The options `hyperhive.*` with their types, as in the package's `protocol/bundle.py`, which checks
# what types cannot say when the settings come back from the evaluation.
let
  inherit (builtins)
    all
    attrNames
    isAttrs
    isFloat
    isInt
    isList
    isString
    toString
    ;

  named = expected: check: { inherit expected check; merge = "one"; };
  text = named "a string" isString;
  orNull = type: type // {
    expected = "${type.expected}, or null";
    check = value: value == null || type.check value;
  };
  between =
    low: high:
    named "a whole number from ${toString low} to ${toString high}" (
      value: isInt value && value >= low && value <= high
    );
  number =
    low: high:
    named "a number from ${toString low} to ${toString high}" (
      value: (isInt value || isFloat value) && value >= low && value <= high
    );
  texts = {
    expected = "a list of strings";
    check = value: isList value && all isString value;
    merge = "list";
  };
  server =
    value:
    isAttrs value
    && isString (value.command or null)
    && texts.check (value.args or [ ])
    && isAttrs (value.env or { })
    && all (name: isString value.env.${name}) (attrNames (value.env or { }))
    && all (name: name == "command" || name == "args" || name == "env") (attrNames value);
  servers = {
    expected = "a set of MCP servers, each with `command`, `args` and `env`";
    check = value: isAttrs value && all (name: server value.${name}) (attrNames value);
    merge = "set";
  };
in
{
  model = orNull text;
  fallbackModel = orNull text;
  allowedBash = texts;
  allowedTools = texts;
  allowedRecipients = texts;
  extraMcpServers = servers;
  egress = {
    allow = texts;
    modelSide = texts;
  };
  notes.compactAbove = between 1024 2147483648;
  context.compactAt = number 0.1 0.95;
  prompt = text;
  healthTimeout = number 1 3600;
  limits = {
    memoryMax = orNull (between 67108864 1125899906842624);
    cpuQuota = orNull (between 1 100000);
    tasksMax = orNull (between 64 4194304);
    ioWeight = orNull (between 1 10000);
    diskMax = orNull (between 1048576 1152921504606846976);
    inodesMax = orNull (between 100 1099511627776);
  };
}
