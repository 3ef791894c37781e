"""What an agent's policy lets the model's servers do for it (`egress.modelSide`)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hyperhive.protocol.errors import PolicyRefused

_DATE = re.compile(r"[_-](\d{8}|\d{4}-\d{2}-\d{2}|latest)")


@dataclass(frozen=True, slots=True)
class ModelSide:
    """Words as the API spells them: a body's key, the type of a tool, block or source, a beta.

    The date of a version may be left out: `web_search` stands for `web_search_20250305` too.
    `*` stands for all.
    """

    words: tuple[str, ...] = ()

    @staticmethod
    def family(word: str) -> str:
        """The word without the date of its version."""
        dated = re.fullmatch(rf"(.+?){_DATE.pattern}", word)
        return dated[1] if dated else word

    def allows(self, word: str) -> bool:
        return any(w in self.words for w in ("*", word, self.family(word)))

    def need(self, word: str, where: str) -> None:
        """Raises PolicyRefused, which says what to add and where, unless the word is allowed."""
        if not self.allows(word):
            raise PolicyRefused(
                f"hyperhive: {where}: {word[:100]!r} is not allowed for this agent; "
                f"its egress.modelSide would have to list {self.family(word)[:100]!r}"
            )
