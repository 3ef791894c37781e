"""Random command lines: well-formed ones with a known meaning, and strings of metacharacters."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

NAMES = ("alpha", "beta-2", "g.x", "git", "x_y", "été", "a,b", "+", "a:b@c")
_ARGUMENTS = "abc012 \t\n'\"\\$`|&;<>(){}[]*?!#~=,.-:^%+@/é€"
_BARE = "abc012.-_/@+,:^%é€"
_BLANKS = (" ", "  ", "\t", " \\\n", "\\\n ", " \\\n\\\n")
_REDIRECTIONS = ("2>&1", ">&2", "1>&2", "> /dev/null", "2>/dev/null", "&>/dev/null", "</dev/null")
_COMMENTS = ("", "", "# it's $(x) `y", "#")


@dataclass(frozen=True)
class Line:
    """A line, its simple commands, and the operators between them."""

    text: str
    commands: list[tuple[str, ...]]
    operators: list[str]

    @property
    def is_pipeline(self) -> bool:
        return "|" in self.operators or "|&" in self.operators

    def run_when(self, status: int) -> list[tuple[str, ...]]:
        """What is executed when every command exits with `status`; a pipeline runs whole."""
        if self.is_pipeline:
            return sorted(self.commands)
        skipping = "||" if status == 0 else "&&"
        rest = zip(self.operators, self.commands[1:], strict=True)
        return self.commands[:1] + [words for operator, words in rest if operator != skipping]


def random_line(random: Random) -> Line:
    """A line in the accepted subset, with random quoting, blanks, comments and redirections."""
    commands = [_command(random) for _ in range(random.randint(1, 4))]
    joining = random.choice([["|", "|&"], ["&&", "||", ";", "\n"]])
    operators = [random.choice(joining) for _ in commands[1:]]
    text = random.choice(["", " ", "\n", "# first\n"])
    for words, operator in zip(commands, [*operators, ""], strict=True):
        written = _written(random, words)
        text += (" " if written.startswith("&") else "") + written + operator  # `;&` is an operator
        if operator not in ("", ";"):
            text += random.choice(["", " ", "\n", " \n\n", " # why\n"])
    return Line(text + random.choice(["", "\n", ";", " # end", ";# end"]), commands, operators)


def _command(random: Random) -> tuple[str, ...]:
    count = random.choices((0, 1, 2, 3), (1, 3, 3, 1))[0]
    arguments = ["".join(random.choices(_ARGUMENTS, k=random.randint(0, 6))) for _ in range(count)]
    return (random.choice(NAMES), *arguments)


def _written(random: Random, words: tuple[str, ...]) -> str:
    parts = [quoted(random, word) for word in words]
    if random.random() < 0.3:
        parts.insert(random.randint(0, len(parts)), random.choice(_REDIRECTIONS))
    # An escaped newline right after a redirection is refused: only other blanks may follow it.
    return "".join(
        part + random.choice(_BLANKS[:4] if part in _REDIRECTIONS else _BLANKS) for part in parts
    )


def quoted(random: Random, word: str) -> str:
    """One of the ways to write `word` so that a shell gives back exactly it."""
    text = "" if word else random.choice(["''", '""'])
    position = 0
    while position < len(word):
        end = position + random.randint(1, 3)
        text += _run(random, word[position:end]) + random.choice(["", "", "", "''", "\\\n"])
        position = end
    return text


def _run(random: Random, part: str) -> str:
    ways = ["single" if "'" not in part else "double", "double"]
    if "\n" not in part:
        ways.append("escaped")
    if all(character in _BARE for character in part):
        ways.append("bare")
    way = random.choice(ways)
    if way == "single":
        return f"'{part}'"
    if way == "escaped":
        return "".join(f"\\{character}" for character in part)
    if way == "bare":
        return part
    return '"' + "".join(_in_double(random, character) for character in part) + '"'


def _in_double(random: Random, character: str) -> str:
    continued = "\\\n" if random.random() < 0.1 else ""
    return continued + (f"\\{character}" if character in '$`"\\' else character)


_FUZZ = (
    *("a", "b", "a", "b", " ", " ", " ", "\n", "\t", "\\\n", "\\", "'", '"', "''", "'a", '"b'),
    *("1", "2", "=", "~", "#", "!", "*", "?", "[", "]", "{", "}", ",", "..", "-", ":", "^", "%"),
    *("+", "@", ".", "$", "`", "|", "&", ";", "<", ">", "(", ")", "||", "&&", "|&", ";;", ">&"),
    *("2>&1", ">&2", " 2>&1 ", ">/dev/null", " 2>/dev/null ", "&>/dev/null", "/dev/null"),
    *(
        " #",
        " #",
        "#\\\n",
        "\\\n",
        "\\\n",
        "0<",
        " </dev/null ",
        "if",
        "fi",
        "time",
        "in",
        "do",
        "é",
        "\u00a0",
        "\r",
        "{Z..a}",
        "{a",
    ),
)


def fuzz(random: Random) -> str:
    """A short string of words and metacharacters, most of it no command at all."""
    return "".join(random.choices(_FUZZ, k=random.randint(1, 9)))
