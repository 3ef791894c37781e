# What an agent may use of the machine. `note` ends each description, `defaults` are by name.
{ lib }:
{
  note,
  defaults ? { },
}:
let
  inherit (lib) types;
  ours = import ./types.nix { inherit lib; };

  limits = {
    memoryMax = {
      type = ours.bytes (64 * 1048576) 1125899906842624;
      example = "3G";
      text = "Memory in bytes, or as text such as `\"3G\"`; there is no swap. What needs more is killed.";
    };
    cpuQuota = {
      type = types.ints.between 1 100000;
      example = 150;
      text = "CPU time in percent of one CPU.";
    };
    tasksMax = {
      type = types.ints.between 64 4194304;
      example = 512;
      text = "Processes and threads.";
    };
    ioWeight = {
      type = types.ints.between 1 10000;
      example = 50;
      text = "Share of the disk's time beside others that want it, where 100 is usual.";
    };
    diskMax = {
      type = ours.bytes 1048576 1152921504606846976;
      example = "20G";
      text = "Bytes of its state, home and workspace, where the file system has project quotas.";
    };
    inodesMax = {
      type = types.ints.between 100 1099511627776;
      example = 500000;
      text = "Files in its state, home and workspace, where the file system has project quotas.";
    };
  };
in
lib.mapAttrs (
  name: limit:
  lib.mkOption {
    type = types.nullOr limit.type;
    default = defaults.${name} or null;
    inherit (limit) example;
    description = ''
      ${limit.text}

      ${note}
    '';
  }
) limits
