"""Why Nix gave no result, told by how it ended and what it wrote."""

from __future__ import annotations

import re
import signal

from hyperhive.protocol.builds import Reason, Verb

_TOLD: tuple[tuple[Reason, re.Pattern[str]], ...] = (
    (
        "daemon",
        re.compile(
            r"cannot connect to (daemon|socket)|Nix daemon disconnected|daemon-socket"
            r"|error: unexpected end-of-file|cannot open connection to remote store"
        ),
    ),
    (
        "recursion",
        re.compile(r"infinite recursion encountered|stack overflow|max-call-depth exceeded"),
    ),
    (
        "memory",
        re.compile(r"[Oo]ut of [Mm]emory|std::bad_alloc|Cannot allocate memory|Failed to expand"),
    ),
    ("timeout", re.compile(r"timed out after [0-9]+ seconds")),
)
_TRACED = re.compile(r"/nix/store/[0-9a-z]{32}-source/")
_AGENT = re.compile(r"/nix/store/[0-9a-z]{32}-source/agent/")
_BLOCK = re.compile(r"^(?=\s*(?:…|error:))", re.MULTILINE)
_WARNING = re.compile(r"^(?:evaluation )?warning: (.+)$", re.MULTILINE)
_HEAD, _TAIL = 12_000, 12_000
"""Characters of an error that are shown: its begin and its end say what is wrong."""
_LAST = 30


def reason(verb: Verb, status: int, said: str) -> Reason:
    """`status` as in `process.run`."""
    if status in (-signal.SIGKILL, 128 + signal.SIGKILL):
        return "memory"  # nobody else kills it
    errors = said[said.rfind("\nerror:") + 1 :] if "\nerror:" in said else said
    for told, pattern in _TOLD:
        if pattern.search(errors):
            return told
    return "evaluation" if verb == "eval" else "build"


def explanation(said: str) -> str:
    """What a person needs of it: the error, and where in the agent's own files it comes from.

    Of the frames of a trace, in whatever order this Nix shows them, the host's own are left out.
    """
    begin = said.find("error:") if said.startswith("error:") else said.find("\nerror:") + 1
    kept = "".join(
        block
        for block in _BLOCK.split(said[begin:])
        if _AGENT.search(block) or not block.lstrip().startswith("…")
    )
    text = re.sub(r"\n{3,}", "\n\n", _TRACED.sub("", _AGENT.sub("", kept))).strip()
    if len(text) > _HEAD + _TAIL:
        left_out = len(text) - _HEAD - _TAIL
        text = f"{text[:_HEAD]}\n... {left_out} characters left out ...\n{text[-_TAIL:]}"
    return text


def last_lines(said: str) -> str:
    """What it was at when it was ended."""
    return "\n".join(said[-_TAIL:].splitlines()[-_LAST:])


def warnings(said: str) -> list[str]:
    """Each once, at most a hundred."""
    found = dict.fromkeys(_AGENT.sub("", match)[:4_000] for match in _WARNING.findall(said))
    return list(found)[:100]
