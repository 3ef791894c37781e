# A module system in small: modules with `imports`, `hyperhive.*` and `environment.systemPackages`,
# values of three priorities, lists and sets of one priority put together.
{ module, declared }:
let
  inherit (builtins)
    attrNames
    concatLists
    concatMap
    concatStringsSep
    elem
    elemAt
    filter
    foldl'
    functionArgs
    hasAttr
    head
    intersectAttrs
    isAttrs
    isFunction
    isList
    isPath
    length
    listToAttrs
    ;

  options = import ./options.nix;

  lib = {
    mkForce = override 50;
    mkDefault = override 1000;
    mkIf = condition: content: { _type = "if"; inherit condition content; };
    optional = condition: value: if condition then [ value ] else [ ];
    optionals = condition: values: if condition then values else [ ];
    optionalAttrs = condition: values: if condition then values else { };
  };
  override = priority: content: { _type = "override"; inherit priority content; };
  isType = type: value: isAttrs value && value._type or null == type;

  # --- modules ---

  arguments = {
    inherit lib;
    config = throw "agent.nix: `config` is not there on a host without nixpkgs";
    pkgs = throw "agent.nix: `pkgs` is not there: this host has no nixpkgs; use `derivation`";
  };
  known = [
    "config"
    "environment"
    "hyperhive"
    "imports"
  ];

  shown =
    where:
    let
      parts = if isPath where then builtins.match ".*/agent/(.*)" (toString where) else null;
    in
    if parts == null then "a module" else head parts;

  # All modules that this one brings, itself the first: { file, hyperhive, packages }.
  load =
    seen: where:
    let
      file = if isPath where then shown where else "a module in ${shown (elemAt seen 0)}";
      value = if isPath where then import where else where;
      found = if isFunction value then value (given value) else value;
      given = f: if functionArgs f == { } then arguments else intersectAttrs (functionArgs f) arguments;
      unknown = filter (name: !elem name known) (attrNames found ++ attrNames (found.config or { }));
      content = (removeAttrs found [ "imports" "config" ]) // (found.config or { });
    in
    if length seen > 100 then
      throw "${file}: infinite recursion encountered: modules import each other"
    else if !isAttrs found then
      throw "${file}: a module must be a set of options, or a function that gives one"
    else if unknown != [ ] then
      throw "${file}: `${head unknown}` is not known here: without nixpkgs a module may set `hyperhive.*`, `environment.systemPackages` and `imports`"
    else
      [
        {
          inherit file;
          hyperhive = content.hyperhive or { };
          packages = content.environment.systemPackages or [ ];
        }
      ]
      ++ concatMap (load ([ where ] ++ seen)) (found.imports or [ ]);

  modules = load [ ] module;

  # --- definitions ---

  # [ { path, value, priority, file } ] of everything that a module sets below `tree`.
  definitions =
    file: path: tree: value:
    if isType "if" value then
      if value.condition then definitions file path tree value.content else [ ]
    else if isType "override" value then
      map (definition: definition // { inherit (value) priority; }) (
        definitions file path tree value.content
      )
    else if tree ? check then
      [
        {
          inherit file value;
          path = path;
          priority = 100;
        }
      ]
    else if !isAttrs value then
      throw "${file}: `${named path}` must be a set of options"
    else
      concatMap (
        name:
        if hasAttr name tree then
          definitions file (path ++ [ name ]) tree.${name} value.${name}
        else
          throw "${file}: `${named (path ++ [ name ])}` is not known; known are ${concatStringsSep ", " (attrNames tree)}"
      ) (attrNames value);

  named = path: concatStringsSep "." ([ "hyperhive" ] ++ path);

  all =
    concatMap (each: definitions each.file [ ] options each.hyperhive) modules
    ++ definitions "declared.json" [ ] options (lib.mkDefault declared);

  # --- the result ---

  resolve =
    path: option:
    let
      here = filter (definition: definition.path == path) all;
      strongest = foldl' (low: one: if one.priority < low then one.priority else low) 10000 here;
      winners = filter (definition: definition.priority == strongest) here;
      checked =
        definition:
        if option.check definition.value then
          definition.value
        else
          throw "${definition.file}: `${named path}` must be ${option.expected}";
      values = map checked winners;
    in
    if here == [ ] then
      [ ]
    else if option.merge == "list" then
      [ (concatLists values) ]
    else if option.merge == "set" then
      [ (foldl' (left: right: left // right) { } values) ]
    else if filter (value: value != head values) values != [ ] then
      throw "`${named path}` is set differently by ${concatStringsSep " and " (map (one: one.file) winners)}"
    else
      [ (head values) ];

  collect =
    path: tree:
    listToAttrs (
      concatMap (
        name:
        let
          here = path ++ [ name ];
          below = tree.${name};
          values =
            if below ? check then
              resolve here below
            else
              filter (set: set != { }) [ (collect here below) ];
        in
        map (value: { inherit name value; }) values
      ) (attrNames tree)
    );

  packagesOf =
    each:
    if isList each.packages then
      each.packages
    else
      throw "${each.file}: `environment.systemPackages` must be a list of packages";
in
{
  settings = collect [ ] options;
  packages = concatMap packagesOf modules;
}
