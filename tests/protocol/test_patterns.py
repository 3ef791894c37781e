"""The allow-list grammar: what is accepted, what it matches, and how the rest is refused."""

from __future__ import annotations

import shlex

import pytest

from hyperhive.protocol.patterns import (
    MAX_PATTERNS,
    PatternError,
    parse_bash_pattern,
    parse_bash_patterns,
)


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("git status", ["git status"], ["git", "git status -s", "git statusx", "gitstatus"]),
        ("git *", ["git", "git log", "git log -1"], ["gitk", "git-lfs pull", "sudo git log"]),
        ("git:*", ["git", "git log"], ["gitk", "git: x"]),
        ("git log *", ["git log", "git log -1 --oneline"], ["git logx", "git", "git -C x log"]),
        ("git log:*", ["git log", "git log -1"], ["git log:1", "git"]),
        ("npm run test:unit", ["npm run test:unit"], ["npm run test", "npm run test:unit -w"]),
        ("npm run test:*", ["npm run test", "npm run test x"], ["npm run test:unit"]),
        ("./run --all", ["./run --all"], ["run --all", "/run --all"]),
        ("g++ *", ["g++ a.cc"], ["g a.cc"]),
        ("git log HEAD^ *", ["git log HEAD^"], ["git log HEAD"]),
        ("*", ["git", "rm -rf /"], []),
    ],
)
def test_a_pattern_matches_whole_words(pattern: str, matching: list[str], other: list[str]) -> None:
    parsed = parse_bash_pattern(pattern)
    assert [c for c in matching if not parsed.matches(shlex.split(c))] == []
    assert [c for c in other if parsed.matches(shlex.split(c))] == []


def test_words_are_compared_not_text() -> None:
    assert parse_bash_pattern("git *").matches(("git", "a b", ""))
    assert not parse_bash_pattern("git status").matches(("git status",))
    assert not parse_bash_pattern("git *").matches(("git status",))
    assert not parse_bash_pattern("git *").matches(("",))


def test_only_the_star_allows_everything() -> None:
    assert parse_bash_pattern("*").allows_everything
    assert not parse_bash_pattern("git *").allows_everything
    assert not parse_bash_pattern("git").allows_everything


REFUSED: list[tuple[str, str, str | None]] = [
    # pattern, a part of the problem, the suggestion
    ("git*", "last word", "git *"),
    ("git **", "last word", "git *"),
    ("git log*", "last word", "git log *"),
    ("git*log", "last word", None),
    ("git * main", "last word", None),
    ("* --version", "last word", None),
    ("* *", "last word", None),
    ("a:* b", "last word", None),
    ("a:*:*", "last word", None),
    ("rm -rf build/*", "last word", None),
    ("^git.*$", "regular expression", "git *"),
    ("^git status$", "regular expression", "git status"),
    ("git .*", "regular expression", "git *"),
    ("git .+", "regular expression", "git *"),
    ("git\\s.*", "regular expression", "git *"),
    ("git\\s+log\\b.*", "regular expression", "git log *"),
    ("git\\ status", "regular expression", None),
    ("foo\\.sh", "regular expression", "foo.sh"),
    ("\\d+", "regular expression", None),
    ("foo.*bar", "regular expression", None),
    ("(a|b)", "list each command", None),
    ("git (log|status) *", "list each command", None),
    ("[a-z]", "contains `[`", None),
    ("[ -f x ]", "contains `[`", None),
    ("git?", "contains `?`", None),
    ("Bash", "leave out", "*"),
    ("Bash()", "leave out", None),
    ("Bash(", "leave out", None),
    ("Bash(*)", "leave out", "*"),
    ("Bash(git *)", "leave out", "git *"),
    ("Bash(git*)", "leave out", "git *"),
    ("Bash(git:*)", "leave out", "git:*"),
    ("Bash(git *),Bash(rm *)", "leave out", None),
    ("git status)", "contains `)`", None),
    ("git *) Bash(*", "contains `)`", None),
    ("", "empty", None),
    ("   ", "empty", None),
    (" git", "space too many", "git"),
    ("git ", "space too many", "git"),
    ("git  log", "space too many", "git log"),
    (" *", "space too many", "*"),
    ("git\nrm *", "ASCII", None),
    ("git status\n", "ASCII", None),
    ("git\tlog", "ASCII", None),
    ("git\x00", "ASCII", None),
    ("git\x1b[0m", "ASCII", None),
    ("g\u0456t *", "ASCII", None),
    ("git\u00a0log", "ASCII", None),
    ("git \uff0a", "ASCII", None),
    ("git \u202elog", "ASCII", None),
    ("git status; rm", "shell operator `;`", None),
    ("git status && rm", "shell operator `&`", None),
    ("git log | head", "shell operator `|`", None),
    ("git log > x", "shell operator `>`", None),
    ("git log < x", "shell operator `<`", None),
    ("echo $HOME", "expansions", None),
    ("echo `id`", "expansions", None),
    ('git commit -m "x"', "quote", None),
    ("git commit -m 'x'", "quote", None),
    ("git {log,show}", "braces", None),
    ("~/bin/x", "in full", None),
    ("make prefix=~/x", "in full", None),
    ("git status # all", "comment", None),
    ("git status, git log", "comma", None),
    ("git status,", "comma", None),
    ("X=1 git status", "assignment", None),
    ("%1", "job", None),
    (":*", "no word before", None),
    ("git :*", "no word before", None),
    ("time *", "keyword", None),
    ("if true", "keyword", None),
    ("! git *", "keyword", None),
    ("function f", "keyword", None),
    ("x" * 1_001, "1001 characters", None),
    ("*" * 100_000, "100000 characters", None),
]


@pytest.mark.parametrize(("pattern", "problem", "suggestion"), REFUSED)
def test_what_is_not_understood_is_refused(
    pattern: str, problem: str, suggestion: str | None
) -> None:
    with pytest.raises(PatternError) as refusal:
        parse_bash_pattern(pattern)
    assert problem in refusal.value.problem
    assert refusal.value.suggestion == suggestion
    assert refusal.value.pattern == pattern


def test_the_message_names_pattern_problem_and_correction_on_one_short_line() -> None:
    with pytest.raises(PatternError, match=r"^`git\*`: may have .* did you mean `git \*`\?$"):
        parse_bash_pattern("git*")
    for pattern, _, _ in REFUSED:
        with pytest.raises(PatternError) as refusal:
            parse_bash_pattern(pattern)
        assert str(refusal.value).isprintable()
        assert len(str(refusal.value)) < 300


def test_suggestions_are_themselves_valid() -> None:
    for suggestion in (suggestion for _, _, suggestion in REFUSED if suggestion):
        assert parse_bash_pattern(suggestion).text == suggestion


def test_a_list_is_parsed_in_order() -> None:
    assert [p.text for p in parse_bash_patterns(["git *", "ls"])] == ["git *", "ls"]
    assert parse_bash_patterns([]) == ()


def test_a_list_is_bounded() -> None:
    assert len(parse_bash_patterns(["ls"] * MAX_PATTERNS)) == 1_000
    with pytest.raises(PatternError, match="1001 patterns are too many"):
        parse_bash_patterns(["ls"] * 1_001)
    with pytest.raises(PatternError, match="too many"):
        parse_bash_patterns(f"tool{n} *" for n in range(10_000))


def test_one_bad_entry_refuses_the_list() -> None:
    with pytest.raises(PatternError, match=r"git\*"):
        parse_bash_patterns(["ls", "git*"])
