"""What the service asks of an evaluation or a build, and what that answers: JSON in files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_args

from hyperhive.protocol.bundle import AgentSettings
from hyperhive.protocol.errors import BuildFailed, InvalidField
from hyperhive.protocol.model import AgentName
from hyperhive.protocol.schema import Check, Items, Range, Text, parse

JOB_PATTERN = r"[0-9]{1,12}"
"""Of a job's id, which the names of its units and of its directory end with."""
MAX_RESULT = 512 * 1024
"""Bytes of `result.json`."""
MAX_LOG = 8 * 2**20
"""Bytes of `log`; who writes more is ended."""
MAX_ERROR = 64 * 1024
"""Bytes of an error's text."""
MAX_WARNINGS = 100
MAX_PARTS = 200
"""Names of a closure that are told; one more line says how many are not."""
MAX_PART = 120
"""Characters of such a name."""

_HASH = r"[0-9abcdfghijklmnpqrsvwxyz]{32}"
_NAME = r"[0-9A-Za-z+_?=-][0-9A-Za-z+._?=-]{0,206}"
STORE_PATTERN = rf"/nix/store/{_HASH}-{_NAME}"
DRV_PATTERN = rf"{STORE_PATTERN}\.drv"


def _not_drv(path: str) -> str | None:
    return "must not be a derivation" if path.endswith(".drv") else None


Drv = Annotated[str, Text(max=300, pattern=DRV_PATTERN, problem="must be a .drv in /nix/store")]
StorePath = Annotated[
    str,
    Text(max=300, pattern=STORE_PATTERN, problem="must be a path in /nix/store"),
    Check(_not_drv),
]

_PART = r"[0-9A-Za-z+._?=-]+…?|… and [0-9]+ more"
Part = Annotated[str, Text(max=MAX_PART, pattern=_PART, problem="must be a name as in the store")]
Parts = Annotated[tuple[Part, ...], Items(max=MAX_PARTS + 1)]
Bytes = Annotated[int, Range(0, 2**53 - 1)]

Verb = Literal["eval", "build"]
Reason = Literal[
    "evaluation",  # the configuration is wrong, and the text says where
    "recursion",  # its evaluation would never end
    "build",  # a builder failed
    "timeout",
    "memory",
    "output",  # it wrote more than anybody would read
    "daemon",  # Nix itself does not answer, or not as it should
    "stopped",
    "job",  # the program of the job failed, or was not let
]
"""Why there is no result."""
REASONS: tuple[Reason, ...] = get_args(Reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """`in/request.json`."""

    verb: Verb
    agent: AgentName
    seconds: Annotated[float, Range(1, 7 * 86_400)]
    """After which it is ended."""
    offline: bool = True
    """Whether neither inputs nor binary caches may be fetched."""
    drv: Drv | None = None
    """What to build."""
    compare: bool = False
    """Whether to tell of an evaluation's system what it consists of."""
    running: StorePath | None = None
    """The system to compare it with, if any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Closure:
    """What a system consists of in place of another, by name and version; sizes in bytes.

    Where it is not `built` yet, `added` is what would be built or fetched.
    """

    built: bool
    added: Parts = ()
    removed: Parts = ()
    size_before: Bytes | None = None
    size_after: Bytes | None = None
    download: Bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What a configuration comes to, before any of it is built."""

    drv: Drv
    """Of the bundle."""
    settings: AgentSettings
    system: StorePath
    """What its container would boot: as before, or not."""
    warnings: Annotated[
        tuple[Annotated[str, Text(min=0, max=4_000)], ...], Items(max=MAX_WARNINGS)
    ] = ()
    closure: Closure | None = None
    """None where it was not asked for, or Nix does not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A bundle in the store."""

    bundle: StorePath


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    reason: Reason
    error: Annotated[str, Text(min=0, max_bytes=MAX_ERROR)] = field(default="")


def parse_request(data: dict[str, Any]) -> Request:
    """Raises InvalidField."""
    request = parse(Request, data, "request", camel_case=True)
    if (request.drv is None) != (request.verb == "eval"):
        raise InvalidField("request.drv", "belongs to a build, and to nothing else")
    if request.compare and request.verb != "eval":
        raise InvalidField("request.compare", "belongs to an evaluation, and to nothing else")
    if request.running is not None and not request.compare:
        raise InvalidField("request.running", "is there to be compared with, and for nothing else")
    return request


def parse_evaluation(data: dict[str, Any]) -> Evaluation:
    """Raises BuildFailed where it is the answer, InvalidField where it is none."""
    return parse(Evaluation, _succeeded(data), "result", camel_case=True)


def parse_built(data: dict[str, Any]) -> Built:
    """Raises BuildFailed where it is the answer, InvalidField where it is none."""
    return parse(Built, _succeeded(data), "result", camel_case=True)


def _succeeded(data: dict[str, Any]) -> dict[str, Any]:
    match data:
        case {"ok": True, **rest}:
            return rest
        case {"ok": False, **rest}:
            failure = parse(Failure, rest, "result", camel_case=True)
            raise BuildFailed(failure.reason, failure.error)
    raise InvalidField("result.ok", "must be true or false")
