# What ./hive needs to set up the rest by itself.
{ pkgs }:
pkgs.mkShell {
  packages = [
    (pkgs.python3.withPackages (packages: [
      packages.pygobject3
      packages.pydbus
    ]))
    pkgs.chromium
    pkgs.git
    pkgs.nixfmt
    pkgs.nodejs
  ];
}
