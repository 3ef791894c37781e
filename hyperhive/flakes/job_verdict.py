"""Why Nix gave no result, told by how it ended and what it wrote."""

from __future__ import annotations

import re
import signal

from hyperhive.protocol.builds import MAX_WARNINGS, Reason, Verb

_DAEMON = r"cannot connect to (daemon|socket)|Nix daemon disconnected|unexpected end-of-file"
_TOLD: dict[Verb, dict[Reason, str]] = {
    "eval": {
        "daemon": _DAEMON,
        "recursion": r"infinite recursion encountered|stack overflow|max-call-depth exceeded",
        "memory": r"out of memory|std::bad_alloc|Cannot allocate memory",
    },
    "build": {"daemon": _DAEMON, "timeout": r"timed out after [0-9]+ seconds"},
}
_ERRORS = re.compile(r"^\s*(?:error:|terminate called).*$", re.MULTILINE)
"""What Nix says of itself, in a trace or not; all else may be code, or a builder's."""
_TRACED = re.compile(r"/nix/store/[0-9a-z]{32}-source/")
_AGENT = re.compile(r"/nix/store/[0-9a-z]{32}-source/agent/")
_BLOCK = re.compile(r"^(?=\s*(?:…|error:))", re.MULTILINE)
# Of the configuration's own, the first is of Nix before 2.23, the second of those after. What a
# daemon says of our options is not the agent's doing.
_WARNING = re.compile(
    r"^(?:trace: |evaluation )?warning: (?!(?i:ignoring) the client-specified )(.+)$", re.MULTILINE
)
_HEAD, _TAIL = 12_000, 12_000
"""Characters of an error that are shown: its begin and its end say what is wrong."""
_LAST = 30


def reason(verb: Verb, status: int, said: str) -> Reason:
    """`status` as in `process.run`."""
    if status in (-signal.SIGKILL, 128 + signal.SIGKILL):
        return "memory"  # nobody else kills it
    errors = "\n".join(_ERRORS.findall(said))
    for told, pattern in _TOLD[verb].items():
        if re.search(pattern, errors):
            return told
    return "evaluation" if verb == "eval" else "build"


def explanation(said: str) -> str:
    """What a person needs of it: the error, and where in the agent's own files it comes from.

    Frames of the host's own files are left out. Some versions of Nix show the error above them,
    some below.
    """
    begin = _ERRORS.search(said)
    blocks = [block.strip("\n") for block in _BLOCK.split(said[begin.start() if begin else 0 :])]
    errors = [block.strip() for block in blocks if not block.lstrip().startswith("…")]
    frames = [block for block in blocks if block.lstrip().startswith("…") and _AGENT.search(block)]
    shown = "\n\n".join([*(error for error in errors if error not in ("", "error:")), *frames])
    text = _TRACED.sub("", _AGENT.sub("", shown))
    if len(text) > _HEAD + _TAIL:
        left_out = len(text) - _HEAD - _TAIL
        text = f"{text[:_HEAD]}\n... {left_out} characters left out ...\n{text[-_TAIL:]}"
    return text


def last_lines(said: str) -> str:
    """What it was at when it was ended."""
    return "\n".join(said[-_TAIL:].splitlines()[-_LAST:])


def warnings(said: str) -> list[str]:
    """Each once."""
    found = dict.fromkeys(_AGENT.sub("", match)[:4_000] for match in _WARNING.findall(said))
    return list(found)[:MAX_WARNINGS]
