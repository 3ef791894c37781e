"""What an agent may do after a change and could not before, and the other way round."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Literal

from hyperhive.protocol.bundle import AgentSettings, Egress, Limits, McpServer
from hyperhive.protocol.hosts import covers as host_covers
from hyperhive.protocol.hosts import parse_host_port
from hyperhive.protocol.pattern_warnings import warnings_for
from hyperhive.protocol.patterns import parse_bash_pattern
from hyperhive.protocol.schema import camel

Effect = Literal["wider", "narrower", "other"]
_SHOWN = 200
"""Characters of a text before and after."""
_BEFORE = 20
"""Of them before the first that differs."""


@dataclass(frozen=True, slots=True)
class Privilege:
    """One thing that differs; the option is named as in `agent.nix`."""

    option: str
    what: str
    effect: Effect


NOTHING = AgentSettings(allowed_tools=(), allowed_recipients=())
"""What is compared with where nothing runs yet."""

Covers = Callable[[str, str], bool]
"""Whether the first entry of a list allows all that the second does."""


def compare(before: AgentSettings | None, after: AgentSettings) -> tuple[Privilege, ...]:
    """What differs, in the order of the options. Without `before`, all that is allowed is new."""
    old = NOTHING if before is None else before
    return (
        *_entries("allowedBash", old.allowed_bash, after.allowed_bash, _bash_covers, _bash),
        *_entries("allowedTools", old.allowed_tools, after.allowed_tools),
        *_entries("allowedRecipients", old.allowed_recipients, after.allowed_recipients),
        *_egress(old.egress, after.egress),
        *_servers(old.extra_mcp_servers, after.extra_mcp_servers),
        *_limits(old.limits, after.limits),
        *_others(old, after),
    )


# --- lists ---


def _same(one: str, other: str) -> bool:
    return one == other


def _name(entry: str) -> str:
    return "* (all)" if entry == "*" else entry


def _entries(
    option: str,
    before: Sequence[str],
    after: Sequence[str],
    covers: Covers = _same,
    word: Callable[[str], str] = _name,
) -> Iterator[Privilege]:
    """What another entry allows makes no difference when it comes or goes."""

    def allowed(entry: str, entries: Sequence[str]) -> bool:
        return "*" in entries or any(covers(one, entry) for one in entries)

    for entry in dict.fromkeys(after):
        if entry in before:
            continue
        if allowed(entry, before):
            yield Privilege(option, f"{_name(entry)} is named, and was allowed before", "other")
        else:
            yield Privilege(option, word(entry), "wider")
    for entry in dict.fromkeys(before):
        if entry in after:
            continue
        if allowed(entry, after):
            yield Privilege(option, f"{_name(entry)} is not named, and still allowed", "other")
        else:
            yield Privilege(option, _name(entry), "narrower")


def _bash(entry: str) -> str:
    """With what else it allows."""
    pattern = parse_bash_pattern(entry)
    warnings = () if pattern.allows_everything else warnings_for(pattern)
    return "; ".join((_name(entry), *warnings))


def _bash_covers(one: str, other: str) -> bool:
    wide, narrow = parse_bash_pattern(one), parse_bash_pattern(other)
    return wide.matches(narrow.words) and (wide.rest or not narrow.rest)


def _host_covers(one: str, other: str) -> bool:
    if not other.startswith("*."):
        return host_covers(one, parse_host_port(other))
    if not one.startswith("*."):
        return False
    above, below = (parse_host_port(entry.removeprefix("*.")) for entry in (one, other))
    return above == below or host_covers(one, below)


def _egress(before: Egress, after: Egress) -> Iterator[Privilege]:
    yield from _entries("egress.allow", before.allow, after.allow, _host_covers)
    yield from _entries("egress.modelSide", before.model_side, after.model_side)


# --- what is no list ---


def _servers(before: dict[str, McpServer], after: dict[str, McpServer]) -> Iterator[Privilege]:
    option = "extraMcpServers"
    for name, server in after.items():
        if name not in before:
            yield Privilege(option, f"{name}: {_command(server)}", "wider")
        elif before[name] != server:
            was = _command(before[name])
            yield Privilege(option, f"{name}: {_command(server)}, before {was}", "wider")
    for name in sorted(before.keys() - after.keys()):
        yield Privilege(option, f"{name}: {_command(before[name])}", "narrower")


def _command(server: McpServer) -> str:
    words = json.dumps([server.command, *server.args], ensure_ascii=False)
    if not server.env:
        return words
    return f"{words} with {json.dumps(server.env, ensure_ascii=False)}"


def _limits(before: Limits, after: Limits) -> Iterator[Privilege]:
    for field in fields(Limits):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if old != new:
            is_wider = new is None or (old is not None and new > old)
            what = f"{_limit(old)} -> {_limit(new)}"
            yield Privilege(
                f"limits.{camel(field.name)}", what, "wider" if is_wider else "narrower"
            )


def _limit(value: int | None) -> str:
    return "the host's limit" if value is None else str(value)


def _others(before: AgentSettings, after: AgentSettings) -> Iterator[Privilege]:
    for option, old, new in (
        ("model", before.model, after.model),
        ("fallbackModel", before.fallback_model, after.fallback_model),
        ("notes.compactAbove", before.notes.compact_above, after.notes.compact_above),
        ("context.compactAt", before.context.compact_at, after.context.compact_at),
        ("prompt", before.prompt, after.prompt),
        ("healthTimeout", before.health_timeout, after.health_timeout),
    ):
        if old != new:
            yield Privilege(option, _change(_value(old), _value(new)), "other")


def _value(value: object) -> str:
    if value is None:
        return "the host's choice"
    return f"{value:g}" if isinstance(value, float) else str(value) or "none"


def _change(before: str, after: str) -> str:
    """Of long texts what is around the first difference."""
    at = 0
    if max(len(before), len(after)) > _SHOWN:
        at = max(_alike(before, after) - _BEFORE, 0)
    return f"{_part(before, at)} -> {_part(after, at)}"


def _alike(one: str, other: str) -> int:
    """How many characters both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _part(text: str, at: int) -> str:
    if len(text) <= _SHOWN and not at:
        return text
    more = "…" if len(text) > at + _SHOWN else ""
    return f"{'…' if at else ''}{text[at : at + _SHOWN]}{more} ({len(text)} characters)"
