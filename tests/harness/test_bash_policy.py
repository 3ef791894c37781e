"""Which command lines each of six allow-lists covers, as one table."""

from __future__ import annotations

import pytest

from hyperhive.harness.bash_policy import decide
from hyperhive.protocol.patterns import parse_bash_patterns

LISTS = {
    "-": [],
    "*": ["*"],
    "g": ["git *"],
    "s": ["git status"],
    "l": ["git log *"],
    "r": ["ls *", "cat:*", "echo *", "git status"],
}

# The letters are the lists that allow the line.
ALLOWED_BY: list[tuple[str, str]] = [
    # what the lists say
    ("git status", "*gsr"),
    ("git", "*g"),
    ("git log", "*gl"),
    ("git log -1 --oneline", "*gl"),
    ("git log -- a.py", "*gl"),
    ("git status -s", "*g"),
    ("git status .", "*g"),
    ("git commit -m 'it works'", "*g"),
    ("ls", "*r"),
    ("ls -la src", "*r"),
    ("cat README.md", "*r"),
    ("echo hello", "*r"),
    ("echo 'a; rm -rf /'", "*r"),
    ('echo "a && b"', "*r"),
    ("echo '$(id)' '`id`' \\$HOME", "*r"),
    ("ls *.py", "*r"),
    ("ls ~/src", "*r"),
    # names that only begin alike, paths, other spellings
    ("gitk", "*"),
    ("git-lfs pull", "*"),
    ("gitstatus", "*"),
    ("git statusx", "*g"),
    ("git logx", "*g"),
    ("lsof", "*"),
    ("catx a", "*"),
    ("Git status", "*"),
    ("GIT status", "*"),
    ("/usr/bin/git status", "*"),
    ("./git status", "*"),
    ("../git status", "*"),
    ("g\u0456t status", "*"),
    ("'git status'", "*"),
    ("git\\ status", "*"),
    ("git 'status '", "*g"),
    # quoting changes nothing
    ('"git" status', "*gsr"),
    ("g\\it status", "*gsr"),
    ("git'' st''atus", "*gsr"),
    ("git \\\n  status", "*gsr"),
    ("g\\\nit status", "*gsr"),
    ("git 'log' -1", "*gl"),
    ("git  \t status  ", "*gsr"),
    ("git status ''", "*g"),
    ('git "" status', "*g"),
    # what Claude Code takes for harmless by itself
    ("pwd", "*"),
    ("cd src", "*"),
    ("id", "*"),
    ("ls; id", "*"),
    ("whoami", "*"),
    ("head -1 a", "*"),
    ("cd /tmp && git status", "*"),
    ("true", "*"),
    (":", "*"),
    # chains: every part by itself
    ("git status; ls", "*r"),
    ("git status && git log", "*g"),
    ("git log && git log -1", "*gl"),
    ("git status; git status", "*gsr"),
    ("git status; rm -rf x", "*"),
    ("git status && rm -rf x", "*"),
    ("git status || rm -rf x", "*"),
    ("git status | sh", "*"),
    ("git status |& sh", "*"),
    ("git status\nrm -rf x", "*"),
    ("git status\\\n; rm -rf x", "*"),
    ("git status\n\n\nrm -rf x", "*"),
    ("git status;rm -rf x", "*"),
    ("git status&&rm -rf x", "*"),
    ("git status|rm -rf x", "*"),
    ("rm -rf x; git status", "*"),
    ("ls | cat", "*r"),
    ("ls | xargs rm", "*"),
    ("git status & rm -rf x", "*"),
    ("git status &", "*"),
    ("git status # ; rm -rf x", "*gsr"),
    ("git status # it's\nrm -rf x", "*"),
    ("git status # \\\nrm -rf x", "*"),
    ("# git status\nrm -rf x", "*"),
    ("git log a#;rm -rf x", "*"),
    # substitutions and expansions
    ("git status $(rm -rf x)", "*"),
    ("git status `rm -rf x`", "*"),
    ('git log "$(rm -rf x)"', "*"),
    ('git log "`rm -rf x`"', "*"),
    ("git log <(rm -rf x)", "*"),
    ("git log >(rm -rf x)", "*"),
    ("echo ${x@P}", "*"),
    ("echo $HOME", "*"),
    ("echo $((1 + 1))", "*"),
    ("echo $'\\x24(id)'", "*"),
    ("git$IFS-c alias.x=!id x", "*"),
    ("git ${x:-status}", "*"),
    ("$(echo git) status", "*"),
    ("git {log,status}", "*"),
    ("git log {Z..a}id{Z..a}", "*"),
    ("g?t status", "*"),
    ("g[i]t status", "*"),
    ("~/git status", "*"),
    # compound commands and other ways to start something
    ("(git status)", "*"),
    ("{ git status; }", "*"),
    ("if git status; then git status; fi", "*"),
    ("for x in a; do git status; done", "*"),
    ("while git status; do git status; done", "*"),
    ("case a in a) git status;; esac", "*"),
    ("git() { rm -rf x; }; git status", "*"),
    ("function git { rm -rf x; }; git status", "*"),
    ("[[ a ]] && git status", "*"),
    ("((x=1)); git status", "*"),
    ("! git status", "*"),
    ("time git status", "*"),
    ("coproc git status", "*"),
    ("eval git status", "*"),
    ("exec git status", "*"),
    ("command git status", "*"),
    ("builtin cd x", "*"),
    ("source x", "*"),
    (". x", "*"),
    ("alias git=rm; git status", "*"),
    ("trap 'rm -rf x' EXIT; git status", "*"),
    ("hash -p /tmp/x git; git status", "*"),
    ("env git status", "*"),
    ("env -i git status", "*"),
    ("nohup git status", "*"),
    ("timeout 5 git status", "*"),
    ("nice git status", "*"),
    ("sudo git status", "*"),
    ("xargs git status", "*"),
    ("bash -c 'git status'", "*"),
    ("sh -c 'git status'", "*"),
    ("python3 -c 'import os'", "*"),
    ("find . -name x -exec rm {} \\;", "*"),
    ("find . -delete", "*"),
    ("man --html=touch x", "*"),
    ("sort --compress-program=touch x", "*"),
    ("sed 1e x", "*"),
    ("tar --checkpoint-action=exec=touch x", "*"),
    ("yarn --use-yarnrc x", "*"),
    # the environment
    ("PATH=/tmp git status", "*"),
    ("GIT_PAGER=touch git log", "*"),
    ("GIT_SSH_COMMAND=touch git fetch", "*"),
    ("X=1", "*"),
    ("X=$(id) git status", "*"),
    ("export PATH=/tmp; git status", "*"),
    ("declare -x PATH=/tmp; git status", "*"),
    ("git status X=1", "*g"),
    # redirections
    ("git status 2>&1", "*gsr"),
    ("git status > /dev/null", "*gsr"),
    ("git status 2>/dev/null", "*gsr"),
    ("git log -1 >/dev/null 2>&1 && git log", "*gl"),
    ("git status &> /dev/null", "*gsr"),
    ("git status < /dev/null", "*gsr"),
    ("echo failed >&2", "*r"),
    ("git status > x", "*"),
    ("git status >> ~/.bashrc", "*"),
    ("git status >| x", "*"),
    ("git status 2> x", "*"),
    ("git status &> x", "*"),
    ("git status >& x", "*"),
    ("git status < x", "*"),
    ("git status <> x", "*"),
    ("git status {PATH}>/dev/null", "*"),
    ("git status > /dev/nullx", "*"),
    ("git status > /dev/null/../x", "*"),
    ("git status > /dev/tcp/127.0.0.1/80", "*"),
    ("cat <<< x", "*"),
    ("cat << EOF\n$(id)\nEOF", "*"),
    ("echo a > /dev/null > x", "*"),
    # unfinished or odd
    ("", "*"),
    ("   ", "*"),
    ("# nothing", "*"),
    ("git status '", "*"),
    ('git status "', "*"),
    ("git status \\", "*"),
    ("git status;;", "*"),
    ("; git status", "*"),
    ("&& git status", "*"),
    ("git status &&", "*"),
    ("git status |", "*"),
    ("git status)", "*"),
    ("'' git status", "*"),
    ("git\u00a0status", "*"),
    ("git\u2028status", "*"),
    ("git status\r", "*"),
    ("git status\r\nrm -rf x", "*"),
    ("git status\x00; rm -rf x", "*"),
    ("git \x01status", "*"),
    ("git status \x1b[2K", "*"),
    ("echo 'a\u202eb'", "*"),
    # bounds
    (" && ".join(["git status"] * 50), "*gsr"),
    (" && ".join(["git status"] * 51), "*"),
    (" ; ".join(["git status"] * 51), "*"),
    ("\n".join(["git status"] * 51), "*"),
    ("git status" + " " * 9_990, "*gsr"),
    ("git status" + " " * 9_991, "*"),
]

# One plain command each, seen with git 2.39 to run a program P of the caller's choice. `git *` lets
# all of them through: this is known, `warnings_for` says so, and only the container holds.
OPEN_UNDER_GIT = [
    "git -c alias.x=!P x",
    "git -c core.fsmonitor=P status",
    "git -c diff.external=P diff",
    "git difftool -y -x P",
    "git -c core.editor=P commit",
    "git rebase -x P",
    "git bisect run P",
    "git grep -O P",
    "git ls-remote --upload-pack=P .",
    "git fetch --upload-pack=P .",
    "git clone -u P . x",
    "git -c protocol.ext.allow=always ls-remote ext::P",
    "git -c core.sshCommand=P ls-remote ssh://x/y",
    "git -c core.hooksPath=D commit",
    "git -c filter.x.clean=P -c core.attributesFile=F add .",
    "git -c gpg.program=P commit -S",
    "git --exec-path=D foo",
    "git --config-env=core.fsmonitor=V status",
    "git archive --remote=. --exec=P HEAD",
    "git -c trailer.x.command=P interpret-trailers",
    "git -c man.z.cmd=P help -m git",
    "git -c browser.z.cmd=P help -w git",
    "git diff --no-index --output=F a b",
]
# These write any file F, and the narrower list lets the first through as well.
OPEN_UNDER_GIT_LOG = ["git log --output=F", "git log -p --output F"]


def _allowing(line: str) -> str:
    return "".join(
        letter
        for letter, patterns in LISTS.items()
        if decide(line, parse_bash_patterns(patterns)).allowed
    )


@pytest.mark.parametrize(("line", "letters"), ALLOWED_BY)
def test_allowed_by(line: str, letters: str) -> None:
    assert _allowing(line) == letters


@pytest.mark.parametrize("line", OPEN_UNDER_GIT)
def test_known_open_under_git_and_refused_under_narrower_patterns(line: str) -> None:
    assert _allowing(line) == "*g"


@pytest.mark.parametrize("line", OPEN_UNDER_GIT_LOG)
def test_known_open_under_git_log(line: str) -> None:
    assert _allowing(line) == "*gl"


def test_the_empty_list_refuses_and_the_star_allows_everything() -> None:
    refusal = decide("ls", [])
    assert (refusal.allowed, refusal.reason) == (
        False,
        "Refused: this agent may not run any shell command.",
    )
    assert decide("anything ( ' at all", parse_bash_patterns(["ls", "*"])).allowed


def test_the_reason_names_the_part_and_what_is_allowed() -> None:
    reason = decide("git status && rm -rf 'a b'", parse_bash_patterns(["git *", "ls"])).reason
    assert reason == (
        "Refused: `rm -rf 'a b'` is not on the allow-list (command 2 of 2; each must be allowed by"
        " itself). Allowed commands: `git *`, `ls`."
    )


def test_the_reason_says_what_was_not_understood() -> None:
    reason = decide("git log $(id)", parse_bash_patterns(["git *"])).reason
    assert reason.startswith("Refused: variables and command substitution are not allowed")
    assert reason.endswith("Allowed commands: `git *`.")


def test_the_reason_is_short_and_on_one_line() -> None:
    patterns = parse_bash_patterns(f"tool{n} --long-option *" for n in range(1_000))
    for line in ("x" * 9_000, "x 'a\nb\tc'", "x $" + "y" * 9_000, "x; " + "y 'z' " * 1_000):
        reason = decide(line, patterns).reason
        assert reason.isprintable()
        assert len(reason) < 1_200
        assert " more." in reason
