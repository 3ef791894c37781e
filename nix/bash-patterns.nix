# The grammar of the Bash allow-list, as hyperhive/protocol/patterns.py and pattern_warnings.py have
# it: one table of cases in the tests holds for both.
{ lib }:
let
  inherit (builtins)
    elemAt
    head
    match
    split
    stringLength
    ;

  words = text: lib.filter (word: word != "") (lib.splitString " " text);
  set = text: words (lib.replaceStrings [ "\n" ] [ " " ] text);

  # The leftmost match of a regular expression, or null.
  find =
    regex: text:
    let
      parts = split "(${regex})" text;
    in
    if lib.length parts == 1 then null else head (elemAt parts 1);

  maxLength = 1000;

  shown =
    text:
    lib.replaceStrings [ "\n" "\r" "\t" ] [ "\\n" "\\r" "\\t" ] (lib.substring 0 100 text)
    + lib.optionalString (stringLength text > 100) "...";

  keywords = set ''
    ! [[ ]] { } case coproc do done elif else esac fi for function if in select then time until
    while
  '';

  # What is not known to be harmless is a fault.
  faults = [
    {
      regex = "^ *$";
      problem = _: "is empty: `*` allows every command, an empty list none";
    }
    {
      regex = "[^ -~]";
      problem = _: "may contain only printable ASCII characters and spaces";
    }
    {
      regex = "^Bash($|\\()";
      problem = _: "is a command pattern already: leave out `Bash` and its parentheses";
    }
    {
      regex = "^ | $|  ";
      problem = _: "has a space too many";
    }
    {
      regex = "[()]";
      problem = it: "contains `${it}`: groups and alternatives are not understood, list each command";
    }
    {
      regex = "^\\^|\\$$|\\.[*+]|\\\\";
      problem = it: "looks like a regular expression (`${it}`), which is not understood";
    }
    {
      regex = "[][?]";
      problem = it: "contains `${it}`: neither regular expressions nor globs are understood";
    }
    {
      regex = "[;&|<>]";
      problem = it: "contains the shell operator `${it}`: a pattern is one simple command";
    }
    {
      regex = "[$`]";
      problem = it: "contains `${it}`: expansions are always refused";
    }
    {
      regex = "['\"]";
      problem = it: "contains the quote ${it}: patterns are compared after quotes are removed";
    }
    {
      regex = "[{}]";
      problem = it: "contains `${it}`: braces are not understood";
    }
    {
      regex = "[^ :]\\*|\\*.";
      problem = _: "may have `*` only as its last word";
    }
    {
      regex = "^:\\*|[ :]:\\*";
      problem = _: "has no word before `:*`";
    }
    {
      regex = "^~|[ =:]~";
      problem = _: "contains `~`: write the path in full";
    }
    {
      regex = "^#| #";
      problem = _: "contains a comment";
    }
    {
      regex = ",$|, ";
      problem = _: "contains a comma between words: write each pattern as an entry of its own";
    }
    {
      regex = "^[^ ]*=";
      problem = _: "starts with a variable assignment, which is always refused";
    }
    {
      regex = "^%";
      problem = _: "starts with `%`, which stands for a job of the shell";
    }
  ];

  # The command's first words, and whether further words may follow.
  read =
    text:
    if text == "*" then
      {
        words = [ ];
        rest = true;
      }
    else if lib.hasSuffix " *" text then
      {
        words = lib.splitString " " (lib.removeSuffix " *" text);
        rest = true;
      }
    else if lib.hasSuffix ":*" text then
      {
        words = lib.splitString " " (lib.removeSuffix ":*" text);
        rest = true;
      }
    else
      {
        words = lib.splitString " " text;
        rest = false;
      };

  fault =
    text:
    let
      found = lib.findFirst (it: it.match != null) null (
        map (it: it // { match = find it.regex text; }) faults
      );
      command = lib.take 1 (read text).words;
    in
    if stringLength text > maxLength then
      "has ${toString (stringLength text)} characters, the limit is ${toString maxLength}"
    else if found != null then
      found.problem found.match
    else if command != [ ] && lib.elem (head command) keywords then
      "`${head command}` is a shell keyword, and compound commands are always refused"
    else
      null;

  # Replaces every match; `to` gets the groups of the regular expression.
  replace =
    regex: to: text:
    lib.concatMapStrings (part: if lib.isList part then to part else part) (split regex text);

  # The valid pattern that a text, read as a regular expression or a rule, most likely means.
  corrected =
    text:
    let
      stripped = head (match " *((.*[^ ])?) *" text);
      rule = match "Bash\\((.+)\\)" stripped;
      bare = lib.removeSuffix "$" (lib.removePrefix "^" (if rule == null then stripped else head rule));
      spaced = replace "\\\\[sb][*+]?" (_: " ") bare;
      unescaped = replace "\\\\([-./])" head spaced;
      tail = match "((.*[A-Za-z0-9_ ])?)(\\.[*+]|\\*+)" unescaped;
      candidate = lib.concatStringsSep " " (
        words (if tail == null then unescaped else "${head tail} *")
      );
    in
    if stripped == "Bash" then
      "*"
    else if candidate != text && fault candidate == null then
      candidate
    else
      null;

  interpreters = set ''
    ash bash busybox bun dash deno fish gdb ksh lua node perl php python Rscript ruby sh tclsh zsh
  '';
  # Programs whose purpose is to start others, and builders that run what a project says.
  starters = set ''
    ant bundle cargo chroot cmake composer doas docker env expect find flock go gradle ionice just
    make meson mvn nice ninja nix nix-build nix-shell nohup npm npx nsenter parallel pip pipx pnpm
    podman runuser script setpriv setsid ssh stdbuf strace su sudo systemd-run timeout tox unshare
    uv watch xargs yarn
  '';
  # Editors, pagers and filters that have a command, option or variable for it.
  escapes = set ''
    awk ed emacs ex gawk less man mawk more nano nvim rsync scp sed sort split tar vi vim zip
  '';
  # Builtins that run their arguments, or set or evaluate what later commands mean.
  builtIn = set ''
    . alias builtin command compgen complete declare enable eval exec export fc hash let local
    mapfile printf read readarray readonly set shopt source test trap typeset unset wait
  '';
  writers = set "cp curl dd install ln mv tee truncate wget";
  gitRunners = set ''
    archive bisect clone config difftool fetch filter-branch grep hook init ls-remote mergetool
    pull push rebase send-email submodule
  '';
  gitWriters = set "bundle diff format-patch log show";

  # `/usr/bin/python3.11` is `python`.
  program =
    word:
    let
      bare = head (match "(([^0-9.]|[0-9.]+[^0-9.])*)[0-9.]*" (lib.last (lib.splitString "/" word)));
    in
    if bare == "" then word else bare;

  gitWarnings =
    text: command:
    if lib.hasPrefix "-" command then
      [ "`${text}` can run any program, for example by `-c alias.x='!program'`" ]
    else if lib.elem command gitRunners then
      [ "`${text}` can run any program: an option or setting of it names one" ]
    else if lib.elem command gitWriters then
      [ "`${text}` can write any file by an option that names the output" ]
    else
      [ ];

  warningsFor =
    text:
    let
      pattern = read text;
      name = program (head pattern.words);
      arguments = lib.tail pattern.words;
    in
    if pattern.words == [ ] then
      [ "`*` allows every command" ]
    else if !pattern.rest then
      lib.optional (
        lib.elem name interpreters
        && lib.elem arguments [
          [ ]
          [ "-" ]
          [ "-s" ]
        ]
      ) "`${text}` runs any code that an allowed command pipes into it"
    else if name == "git" then
      gitWarnings text (if arguments == [ ] then "-" else head arguments)
    else if lib.elem name (interpreters ++ starters ++ escapes ++ builtIn) then
      [ "`${text}` can run any program: `${name}` starts others" ]
    else if lib.elem name writers then
      [ "`${text}` can write any file" ]
    else
      [ ];
in
{
  # What is wrong with a pattern and what was probably meant, or null.
  problem =
    text:
    let
      found = fault text;
      meant = if stringLength text > maxLength then null else corrected text;
    in
    if found == null then
      null
    else
      "`${shown text}`: ${found}${lib.optionalString (meant != null) "; did you mean `${meant}`?"}";

  # Sentences for patterns that are valid and grant more than they say.
  warnings = text: if fault text == null then warningsFor text else [ ];
}
