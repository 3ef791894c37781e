"""Tells the operator which allow-list patterns grant more than they say."""

from __future__ import annotations

from hyperhive.protocol.patterns import BashPattern


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_INTERPRETERS = _names(
    "ash bash busybox bun dash deno fish gdb ksh lua node perl php python Rscript ruby sh tclsh zsh"
)

# programs whose purpose is to start others, and builders that run what a project or package says
_STARTERS = _names("""
    ant bundle cargo chroot cmake composer doas docker env expect find flock go gradle ionice just
    make meson mvn nice ninja nix nix-build nix-shell nohup npm npx nsenter parallel pip pipx pnpm
    podman runuser script setpriv setsid ssh stdbuf strace su sudo systemd-run timeout tox unshare
    uv watch xargs yarn
""")

# editors, pagers and filters that have a command, option or variable for it
_ESCAPES = _names("""
    awk ed emacs ex gawk less man mawk more nano nvim rsync scp sed sort split tar vi vim zip
""")

# Some run their arguments, some set what later commands mean, and some evaluate the subscript of a
# variable's name: `printf -v 'a[$(id)]' x` was seen to run `id`.
_BUILTINS = _names("""
    . alias builtin command compgen complete declare enable eval exec export fc hash let local
    mapfile printf read readarray readonly set shopt source test trap typeset unset wait
""")

_WRITERS = _names("cp curl dd install ln mv tee truncate wget")

_GIT_RUNNERS = _names("""
    archive bisect clone config difftool fetch filter-branch grep hook init ls-remote mergetool
    pull push rebase send-email submodule
""")

_GIT_WRITERS = _names("bundle diff format-patch log show")


def warnings_for(pattern: BashPattern) -> tuple[str, ...]:
    """Sentences for people, none for a pattern that grants what it says as far as is known."""
    if pattern.allows_everything:
        return ("`*` allows every command",)
    program = _program(pattern.words[0])
    if not pattern.rest:
        return _piped_code(pattern, program)
    if program == "git":
        return _git(pattern)
    if program in _INTERPRETERS | _STARTERS | _ESCAPES | _BUILTINS:
        return (f"`{pattern.text}` can run any program: `{program}` starts others",)
    if program in _WRITERS:
        return (f"`{pattern.text}` can write any file",)
    return ()


def _program(word: str) -> str:
    """`/usr/bin/python3.11` is `python`."""
    return word.rpartition("/")[2].rstrip("0123456789.") or word


def _piped_code(pattern: BashPattern, program: str) -> tuple[str, ...]:
    if program in _INTERPRETERS and pattern.words[1:] in ((), ("-",), ("-s",)):
        return (f"`{pattern.text}` runs any code that an allowed command pipes into it",)
    return ()


def _git(pattern: BashPattern) -> tuple[str, ...]:
    command = pattern.words[1] if len(pattern.words) > 1 else "-"
    if command.startswith("-"):
        return (f"`{pattern.text}` can run any program, for example by `-c alias.x='!program'`",)
    if command in _GIT_RUNNERS:
        return (f"`{pattern.text}` can run any program: an option or setting of it names one",)
    if command in _GIT_WRITERS:
        return (f"`{pattern.text}` can write any file by an option that names the output",)
    return ()
