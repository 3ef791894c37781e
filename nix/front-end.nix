# The dashboard's front-end libraries, at the versions and with the integrity of package-lock.json.
{
  lib,
  cacert,
  nodejs,
  runCommand,
}:
let
  inherit (lib.importJSON ../package-lock.json) packages;

  # What the dashboard serves; `./hive` has the same list.
  files = {
    "@xterm/addon-fit" = [ "lib/addon-fit.mjs" ];
    "@xterm/xterm" = [
      "css/xterm.css"
      "lib/xterm.mjs"
    ];
    idiomorph = [ "dist/idiomorph.esm.js" ];
  };

  fetched =
    name:
    let
      locked = packages."node_modules/${name}";
    in
    # From wherever npm has its packages; the hash is what makes it this one.
    runCommand "${baseNameOf name}-${locked.version}.tgz"
      {
        nativeBuildInputs = [
          cacert
          nodejs
        ];
        outputHash = locked.integrity;
        outputHashMode = "flat";
      }
      ''
        export HOME=$TMPDIR
        npm pack --silent ${name}@${locked.version}
        mv *.tgz $out
      '';
in
runCommand "hyperhive-front-end" { passthru = { inherit files; }; } ''
  mkdir $out
  ${lib.concatStrings (
    lib.mapAttrsToList (name: wanted: ''
      mkdir unpacked
      tar --extract --file ${fetched name} --directory unpacked --strip-components 1
      cp ${lib.concatMapStringsSep " " (file: "unpacked/${file}") wanted} $out/
      cp unpacked/LICENSE $out/${lib.replaceStrings [ "/" ] [ "-" ] name}.LICENSE
      rm -r unpacked
    '') files
  )}
''
