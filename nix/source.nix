# Some files and directories of this repository, as a source of a derivation.
{ lib }:
paths:
let
  root = toString ./..;
  isAround = outer: inner: outer == inner || lib.hasPrefix "${outer}/" inner;
in
lib.cleanSourceWith {
  name = "source";
  src = ./..;
  filter =
    path: _:
    let
      relative = lib.removePrefix "${root}/" path;
    in
    lib.any (wanted: isAround wanted relative || isAround relative wanted) paths
    && baseNameOf path != "__pycache__";
}
