# `services.hyperhive.limits.*`: ceilings that the launcher, which is root, holds every agent to.
{ lib, ... }:
let
  limitOptions = import ../limit-options.nix { inherit lib; };
in
{
  options.services.hyperhive.limits = limitOptions {
    note = ''
      The most that any agent of this host gets, and what one gets that has no limit of its own. `null`
      is no ceiling.'';
    defaults = {
      memoryMax = 4 * 1024 * 1024 * 1024;
      cpuQuota = 200;
      tasksMax = 1024;
      ioWeight = 100;
    };
  };
}
