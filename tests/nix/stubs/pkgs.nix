# A few functions of nixpkgs, of which what they make can be looked at, and be built with /bin/sh.
{ lib }:
let
  system = "x86_64-linux";
  runCommand =
    name: attributes: script:
    derivation (
      removeAttrs attributes [
        "passthru"
        "nativeBuildInputs"
        "preferLocalBuild"
      ]
      // {
        inherit name system;
        builder = "/bin/sh";
        args = [
          "-euc"
          script
        ];
        PATH = "/run/current-system/sw/bin:/usr/bin:/bin";
      }
    )
    // attributes.passthru or { }
    // {
      inherit script;
    };
  writeText =
    name: text:
    runCommand name {
      inherit text;
      passAsFile = [ "text" ];
    } ''cp "$textPath" "$out"'';

  package =
    name: version:
    runCommand name { } "mkdir $out" // {
      pname = name;
      inherit version;
      meta.mainProgram = name;
    };
in
{
  inherit lib runCommand writeText;
  path = "/nix/var/nixpkgs";
  stdenv.hostPlatform = { inherit system; };
  callPackage = file: _: package (lib.removeSuffix ".nix" (baseNameOf file)) "0";
  linkFarm =
    name: entries:
    runCommand name { } (
      lib.concatMapStrings (entry: ''
        mkdir -p "$out/$(dirname ${entry.name})"
        ln -s ${entry.path} "$out/${entry.name}"
      '') entries
    )
    // {
      files = lib.listToAttrs (map (entry: lib.nameValuePair entry.name entry.path.text) entries);
    };
  claude-code = package "claude-code" "2.1.200";
  git = package "git" "2.51.0";
  nix = package "nix" "2.34.5";
  util-linux = package "util-linux" "2.41";
}
