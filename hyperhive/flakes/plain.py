"""What a program wrote for a terminal, as text that can be shown anywhere."""

from __future__ import annotations

import re

_COLOURS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


def plain(line: str) -> str:
    """One line without colours, and with a mark for each character that cannot be shown."""
    text = _COLOURS.sub("", line.rstrip("\r")).replace("\t", "    ")
    return text if text.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in text)
