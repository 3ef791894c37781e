"""How a clone of an agent's configuration keeps in step with the host's repository of it.

`GET /v1/config`             KnownConfigs: all that the caller may propose for
`POST /v1/config/NAME/pack`  PackRequest; the answer is a pack (gitformat-pack(5))
`POST /v1/proposals/NAME?commit=ID`  a pack; the answer is {"commit": ID}
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from hyperhive.protocol.model import AgentName
from hyperhive.protocol.schema import Items, Text

MAX_PACK = 32 * 2**20
"""Bytes of a pack in either direction."""
MAX_IDS = 1_000
PACK_TYPE = "application/x-git-packed-objects"

ObjectId = Annotated[
    str,
    Text(
        max=64,
        pattern=r"[0-9a-f]{40}|[0-9a-f]{64}",
        problem="must be a full id of 40 or 64 of 0-9 and a-f",
    ),
]
Tag = Annotated[str, Text(max=50, pattern=r"[a-z][a-z-]{0,30}/[0-9]{1,18}")]
"""Such as `deployed/7`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRefs:
    """Of one repository on the host; `main` is what runs. Tags have the newest first."""

    main: ObjectId | None = None
    tags: Annotated[dict[Tag, ObjectId], Items(max=MAX_IDS)] = field(default_factory=dict)

    def ids(self) -> tuple[str, ...]:
        """Each once, the most useful first."""
        first = () if self.main is None else (self.main,)
        return tuple(dict.fromkeys((*first, *self.tags.values())))


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownConfigs:
    agents: Annotated[dict[AgentName, KnownRefs], Items(max=10_000)]


@dataclass(frozen=True, slots=True, kw_only=True)
class PackRequest:
    """What is needed, and what is there; ids that the host does not know there are fine."""

    want: Annotated[tuple[ObjectId, ...], Items(min=1, max=MAX_IDS + 1)]
    have: Annotated[tuple[ObjectId, ...], Items(max=MAX_IDS + 1)] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """What the query of an upload says."""

    commit: ObjectId
