# What an agent may use of the machine. `what` begins each description, `defaults` are by name.
{ lib }:
{ what, defaults ? { } }:
let
  inherit (lib) mkOption types;
  ours = import ./types.nix { inherit lib; };

  limit =
    name: type: example: text:
    mkOption {
      type = types.nullOr type;
      default = defaults.${name} or null;
      inherit example;
      description = "${what} ${text} `null` sets no limit here.";
    };
in
lib.mapAttrs (name: make: make name) {
  memoryMax =
    name:
    limit name (ours.bytes (64 * 1048576) 1125899906842624) "8G"
      "memory, in bytes or as text such as `\"8G\"`; swap is never given. What needs more is killed.";
  cpuQuota =
    name: limit name (types.ints.between 1 100000) 400 "CPU time, in percent of one CPU.";
  tasksMax = name: limit name (types.ints.between 64 4194304) 2048 "processes and threads.";
  ioWeight =
    name:
    limit name (types.ints.between 1 10000) 50
      "share of the disk's time beside others that want it, where 100 is usual.";
  diskMax =
    name:
    limit name (ours.bytes 1048576 1152921504606846976) "20G"
      "bytes of its state, home and workspace together, where the file system has project quotas.";
  inodesMax =
    name:
    limit name (types.ints.between 100 1099511627776) 500000
      "files of its state, home and workspace together, where the file system has project quotas.";
}
