"""Splits a Bash command line into its simple commands, or refuses it.

Understood is a strict subset of the grammar in bash(1): quoted words, lists, pipelines, comments,
and redirections that only merge or discard streams. Within it, Bash runs exactly what is returned.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from hyperhive.harness.shell_words import NotUnderstood, argument, command_name, quoted

MAX_CHARS = 10_000
MAX_COMMANDS = 50


def split_commands(line: str) -> list[tuple[str, ...]]:
    """The words of each simple command in order, quoting removed; raises NotUnderstood."""
    if len(line) > MAX_CHARS:
        raise NotUnderstood(f"the command has {len(line)} characters, the limit is {MAX_CHARS}")
    _refuse_invisible_characters(line)
    commands: list[tuple[str, ...]] = []
    words: list[str] = []
    operator, redirected = "", False
    for kind, text in _tokens(line):
        if kind == "word":
            words.append(argument(text) if words else command_name(text))
        elif kind == "redirection":
            redirected = True
        elif words:
            commands.append(tuple(words))
            words, operator, redirected = [], text, False
        elif redirected or text != "\n":
            raise NotUnderstood(f"a command is missing before {quoted(text)}")
    if words:
        commands.append(tuple(words))
    elif redirected or not commands or operator in _JOINING:
        raise NotUnderstood("a command is missing at the end")
    if len(commands) > MAX_COMMANDS:
        raise NotUnderstood(f"{len(commands)} commands in one line, the limit is {MAX_COMMANDS}")
    return commands


_JOINING = ("&&", "||", "|", "|&")

# Bash removes an escaped newline before it looks for tokens: between words it is blank, inside one
# it is nothing. No possessive quantifiers: Python before 3.11.5 gets them wrong around groups.
_TOKEN = re.compile(
    r"""
      (?P<blank> (?: [ \t] | \\\n )+ )
    | (?P<comment> \# [^\n]* )
    | (?P<redirection>
        (?: [012]?>>? | &>>? | 0?< ) [ \t]* /dev/null (?= [ \t\n;&|] | \Z )
        | [012]?>&[12] (?= [ \t\n;&|] | \Z )
      )
    | (?P<operator> && | \|\| | \|& | ; (?! (?: \\\n )* & ) | [|\n] )
    """,
    re.VERBOSE | re.DOTALL,
)
_PART_OF_WORD = re.compile(
    r"""[^ \t\n|&;<>()'"\\]+ | \\. | '[^']*' | "[^"\\]*(?:\\.[^"\\]*)*" """,
    re.VERBOSE | re.DOTALL,
)

_REDIRECTIONS = (
    "the only redirections allowed are to and from /dev/null and between output streams, such as"
    " ` 2>&1`, with a blank before and after"
)
_FAULTS = (
    ("'", "a single quote is not closed"),
    ('"', "a double quote is not closed"),
    ("\\", "the command ends in a backslash"),
    ("(", "subshells, functions and arrays are not allowed"),
    (")", "subshells, functions and arrays are not allowed"),
    ("<(", "process substitution is not allowed"),
    (">(", "process substitution is not allowed"),
    ("<<", "here-documents and here-strings are not allowed"),
    ("&>", _REDIRECTIONS),
    ("&", "background jobs by `&` are not allowed"),
    ("", _REDIRECTIONS),
)


def _tokens(line: str) -> Iterator[tuple[str, str]]:
    position = 0
    while position < len(line):
        start = position
        token = _TOKEN.match(line, start)
        position = token.end() if token else _end_of_word(line, start)
        if token is None or token.lastgroup is None:
            yield "word", line[start:position]
        elif token.lastgroup not in ("blank", "comment"):
            yield token.lastgroup, token[0]


def _end_of_word(line: str, start: int) -> int:
    """Where the word ends that begins at `start`; raises NotUnderstood when none does."""
    end = start
    while part := _PART_OF_WORD.match(line, end):
        end = part.end()
    if end == start:
        rest = line[start:]
        fault = next(fault for sign, fault in _FAULTS if rest.startswith(sign))
        raise NotUnderstood(f"{fault} (at {quoted(rest)})")
    # Bash takes digits and `{name}` there for a file descriptor, not for a word.
    if line.startswith(("<", ">"), end):
        raise NotUnderstood(f"{_REDIRECTIONS} (at {quoted(line[start:])})")
    return end


def _refuse_invisible_characters(line: str) -> None:
    """Bash uses some control characters as marks of its own; others hide what a person would read.

    Blank is only space and tab to Bash, which no reader can tell from other white space.
    """
    for character in line:
        if not character.isprintable() and character not in "\t\n":
            raise NotUnderstood(f"the invisible character U+{ord(character):04X} is not allowed")
