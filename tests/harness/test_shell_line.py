"""How a command line is split, and which words a refusal is given in."""

from __future__ import annotations

import time

import pytest

from hyperhive.harness.shell_line import split_commands
from hyperhive.harness.shell_words import NotUnderstood


@pytest.mark.parametrize(
    ("line", "commands"),
    [
        ("git status", [["git", "status"]]),
        ("  git\tstatus  ", [["git", "status"]]),
        ("\n\ngit status\n\n", [["git", "status"]]),
        ("git status;", [["git", "status"]]),
        ("a; b\nc && d || e | f |& g", [["a"], ["b"], ["c"], ["d"], ["e"], ["f"], ["g"]]),
        ("a;b&&c||d|e|&f", [["a"], ["b"], ["c"], ["d"], ["e"], ["f"]]),
        ("a &&\n\n b |\n c ||# why\nd", [["a"], ["b"], ["c"], ["d"]]),
        # quoting
        ("\"git\" st'at'us", [["git", "status"]]),
        ("g\\it '' \"\"", [["git", "", ""]]),
        ("git'' st\\\natus", [["git", "status"]]),
        ("git \\\n  log \\\n", [["git", "log"]]),
        ("a 'b;c && $(d) `e` > f'", [["a", "b;c && $(d) `e` > f"]]),
        ('a "b;c && \\$(d) \\`e\\` > f"', [["a", "b;c && $(d) `e` > f"]]),
        ('a "\\x\\"\\\\\\n"', [["a", '\\x"\\\\n']]),
        ('a "b\\\nc"', [["a", "bc"]]),
        ("a 'b\\\nc'", [["a", "b\\\nc"]]),
        ("a 'b\\' c", [["a", "b\\", "c"]]),
        ("a \\$b \\; \\& \\| \\> \\#", [["a", "$b", ";", "&", "|", ">", "#"]]),
        ("a 'it'\\''s'", [["a", "it's"]]),
        ("a 'two\nlines'", [["a", "two\nlines"]]),
        # comments
        ("a # b; c $(d) 'e", [["a"]]),
        ("# first\na", [["a"]]),
        ("a;#b\nc", [["a"], ["c"]]),
        ("a # b \\\nc", [["a"], ["c"]]),
        ("a b#c #d", [["a", "b#c"]]),
        ("a \\\n#c", [["a"]]),
        ("a b\\\n#c", [["a", "b#c"]]),
        # redirections that change nothing but where output goes
        ("a 2>&1", [["a"]]),
        ("a >&2 b", [["a", "b"]]),
        ("a 1>&2|b", [["a"], ["b"]]),
        ("a > /dev/null 2>&1", [["a"]]),
        ("a >/dev/null 2>/dev/null;b", [["a"], ["b"]]),
        ("a &>/dev/null&&b", [["a"], ["b"]]),
        ("a >>/dev/null &>> /dev/null", [["a"]]),
        ("a </dev/null", [["a"]]),
        ("2>/dev/null a b", [["a", "b"]]),
        ("a 2&>/dev/null", [["a", "2"]]),
        ("a '2' >&1", [["a", "2"]]),
        # arguments may hold what names may not
        ("ls *.py [a-z]? ~/x", [["ls", "*.py", "[a-z]?", "~/x"]]),
        ("make CC=gcc x=~", [["make", "CC=gcc", "x=~"]]),
        (
            "echo if then { } ! time [[ ]]",
            [["echo", "if", "then", "{", "}", "!", "time", "[[", "]]"]],
        ),
        ("find . -exec a {} \\;", [["find", ".", "-exec", "a", "{}", ";"]]),
        ("git show stash@{0} HEAD^ HEAD~2", [["git", "show", "stash@{0}", "HEAD^", "HEAD~2"]]),
        ("a '{b,c}' {b\\,c} {'a..b'}", [["a", "{b,c}", "{b,c}", "{a..b}"]]),
        ("git commit -m 'grün €'", [["git", "commit", "-m", "grün €"]]),
        ("été", [["été"]]),
    ],
)
def test_understood(line: str, commands: list[list[str]]) -> None:
    assert [list(words) for words in split_commands(line)] == commands


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        # nothing to run, or a part missing
        ("", "missing at the end"),
        (" \t\n", "missing at the end"),
        ("# only", "missing at the end"),
        ("a &&", "missing at the end"),
        ("a |\n", "missing at the end"),
        ("> /dev/null", "missing at the end"),
        ("a; >/dev/null", "missing at the end"),
        ("; a", "missing before `;`"),
        ("a;; b", "missing before `;`"),
        ("a; ;", "missing before `;`"),
        ("a |\\\n| b", "missing before `|`"),
        ("a && || b", "missing before `||`"),
        ("a\n&& b", "missing before `&&`"),
        (">/dev/null\na", "missing before"),
        ("'' a", "not the name"),
        # substitutions and expansions
        ("a $(b)", "variables and command substitution"),
        ("a `b`", "variables and command substitution"),
        ('a "$(b)"', "variables and command substitution"),
        ('a "`b`"', "variables and command substitution"),
        ('a "\\\\$(b)"', "variables and command substitution"),
        ("a $b", "variables and command substitution"),
        ("a ${b}", "variables and command substitution"),
        ("a ${b@P}", "variables and command substitution"),
        ("a$IFS-b", "variables and command substitution"),
        ("a $((1+1))", "variables and command substitution"),
        ("a $'\\x62'", "variables and command substitution"),
        ('a $"b"', "variables and command substitution"),
        ("$b", "variables and command substitution"),
        ("a b$", "variables and command substitution"),
        ("a {b,c}", "brace expansion"),
        ("a {1..3}", "brace expansion"),
        ("a {Z..a}id{Z..a}", "brace expansion"),
        ("{a,b}", "brace expansion"),
        ("a <(b)", "process substitution"),
        ("a >(b)", "process substitution"),
        ("a 2>&1 >(b)", "process substitution"),
        # compound commands
        ("(a)", "subshells"),
        ("a (b)", "subshells"),
        ("a() b", "subshells"),
        ("a=(b)", "variables may not be set"),
        ("a b=(c)", "subshells"),
        ("((1))", "subshells"),
        ("a !(b)", "subshells"),
        ("{ a; }", "compound"),
        ("if a; then b; fi", "compound"),
        ("a; then", "compound"),
        ("for x in a; do b; done", "compound"),
        ("while a; do b; done", "compound"),
        ("until a; do b; done", "compound"),
        ("select x in a; do b; done", "compound"),
        ("case a in b) c;; esac", "compound"),
        ("[[ a ]]", "compound"),
        ("! a", "compound"),
        ("a | ! b", "compound"),
        ("time a", "compound"),
        ("t\\\nime a", "compound"),
        ("a | time b", "compound"),
        ("coproc a", "compound"),
        ("function a { b; }", "compound"),
        ("}", "compound"),
        # names that the shell reads differently
        ("X=1 a", "variables may not be set"),
        ("X=1", "variables may not be set"),
        ("X+=1 a", "variables may not be set"),
        ("X='a b' c", "variables may not be set"),
        ("2>&1 X=1 a", "variables may not be set"),
        ("X[1]=1 a", "`[` is not allowed in the name"),
        ("g*t", "`*` is not allowed in the name"),
        ("gi? a", "`?` is not allowed in the name"),
        ("[ a ]", "`[` is not allowed in the name"),
        ("~/a", "`~` is not allowed in the name"),
        ("{a", "`{` is not allowed in the name"),
        ("%1", "not the name"),
        ("'%1'", "not the name"),
        # background jobs
        ("a &", "background"),
        ("a & b", "background"),
        ("a 2>&1&", "background"),
        ("a &&& b", "background"),
        ("a |& & b", "background"),
        ("a &\\\n& b", "background"),
        # other redirections
        ("a > b", "redirections"),
        ("a >b", "redirections"),
        ("a>b", "redirections"),
        ("a >> b", "redirections"),
        ("a >| /dev/null", "redirections"),
        ("a <> /dev/null", "redirections"),
        ("a < b", "redirections"),
        ("a >& b", "redirections"),
        ("a >&-", "redirections"),
        ("a 2>&-", "redirections"),
        ("a 2>&1-", "redirections"),
        ("a >&2b", "redirections"),
        ("a &> b", "redirections"),
        ("a > '/dev/null'", "redirections"),
        ("a > /dev/nullx", "redirections"),
        ("a > /dev/null/../x", "redirections"),
        ("a > /dev/null\\\nx", "redirections"),
        ("a > /dev/null#x", "redirections"),
        ("a > /dev/tcp/127.0.0.1/80", "redirections"),
        ("a 3>/dev/null", "redirections"),
        ("a {b}>/dev/null", "redirections"),
        ("a b>/dev/null", "redirections"),
        ("a '2'>&1", "redirections"),
        ("a 2\\\n>&1", "redirections"),
        ("a ;&>/dev/null b", "redirections"),
        ("a ;\\\n&>/dev/null b", "redirections"),
        ("a <<b\nc\nb", "here-documents"),
        ("a <<<b", "here-documents"),
        ("a <<-b", "here-documents"),
        # unfinished
        ("a 'b", "single quote"),
        ('a "b', "double quote"),
        ('a "b\\"', "double quote"),
        ("a 'b\\'c'", "single quote"),
        ("a \\", "backslash"),
        # characters
        ("a\x00b", "U+0000"),
        ("a\rb", "U+000D"),
        ("a 'b\r'", "U+000D"),
        ("a\x01b", "U+0001"),
        ("a\x7fb", "U+007F"),
        ("a\x0bb", "U+000B"),
        ("a\x0cb", "U+000C"),
        ("a\x1b[2J", "U+001B"),
        ("a\x85b", "U+0085"),
        ("a\u00a0b", "U+00A0"),
        ("a\u2003b", "U+2003"),
        ("a\u2028b", "U+2028"),
        ("a\u3000b", "U+3000"),
        ("a\ufeffb", "U+FEFF"),
        ("a 'b\u202ec'", "U+202E"),
        ("a\udc80b", "U+DC80"),
    ],
)
def test_refused(line: str, reason: str) -> None:
    with pytest.raises(NotUnderstood) as refusal:
        split_commands(line)
    assert reason in str(refusal.value)
    assert str(refusal.value).isprintable()


def test_length_is_limited() -> None:
    assert split_commands("a" * 10_000) == [("a" * 10_000,)]
    with pytest.raises(NotUnderstood, match="10001 characters"):
        split_commands("a" * 10_001)


def test_the_number_of_commands_is_limited() -> None:
    assert len(split_commands(" && ".join("a" * 50))) == 50
    with pytest.raises(NotUnderstood, match="51 commands"):
        split_commands(" && ".join("a" * 51))


@pytest.mark.parametrize(
    "unit", ["'", '"', "\\", "\\\n", "''", '"\\"', "a\\\n", "{", "2>", " ", "#"]
)
def test_no_line_takes_long(unit: str) -> None:
    line = "a " + (unit * 10_000)[:9_000] + "\n>"
    start = time.process_time()
    with pytest.raises(NotUnderstood):
        split_commands(line)
    assert time.process_time() - start < 0.2


def test_messages_stay_short() -> None:
    for line in ("a >" + "b" * 9_000, "a $" + "b" * 9_000, "=" * 9_000, "a {," + "b" * 9_000):
        with pytest.raises(NotUnderstood) as refusal:
            split_commands(line)
        assert len(str(refusal.value)) < 300
