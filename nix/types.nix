# Types of options that an agent's own module and the host's have in common.
{ lib }:
let
  inherit (lib) types;

  units = {
    K = 1024;
    M = 1024 * 1024;
    G = 1024 * 1024 * 1024;
    T = 1024 * 1024 * 1024 * 1024;
  };

  bytesOf =
    text:
    let
      parts = builtins.match "([0-9]+)([KMGT])" text;
    in
    lib.toIntBase10 (lib.head parts) * units.${lib.last parts};
in
{
  # A number of bytes, or text such as "512M" or "8G".
  bytes =
    min: max:
    types.coercedTo (types.strMatching "[0-9]{1,9}[KMGT]" // { description = "text such as \"8G\""; })
      bytesOf
      (types.ints.between min max);

  # An alias or a full id of a model.
  model = types.strMatching "[]A-Za-z0-9._:@/[-]{1,100}" // {
    description = "name of a model";
  };

  # Whatever JSON can hold; checked when the configuration is built.
  json = types.attrsOf types.anything // {
    description = "attribute set of what JSON can hold";
  };
}
