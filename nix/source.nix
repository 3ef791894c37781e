# The files of this repository that an agent's container is made of. Nothing else of it can make an
# agent out of date, or be imported in a container.
{
  lib,
  root ? ./..,
}:
let
  inherit (lib.fileset) toSource unions;
in
toSource {
  inherit root;
  fileset = unions (
    map (path: root + path) [
      "/LICENSE"
      "/agent.nix"
      "/hyperhive/__init__.py"
      "/hyperhive/harness"
      "/hyperhive/protocol"
      "/nix"
      "/pyproject.toml"
    ]
  );
}
