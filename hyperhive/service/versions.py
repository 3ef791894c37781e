"""Oldest versions that known faults allow, and what is below them here."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

from hyperhive.store.version import SQLITE_VERSION


@dataclass(frozen=True, slots=True)
class Floor:
    """`lines` are the first good release of each maintained line, newest line last."""

    part: str
    lines: tuple[tuple[int, ...], ...]
    why: str


FLOORS = {
    "sqlite": Floor(
        "sqlite",
        ((3, 44, 6), (3, 50, 7), (3, 51, 3)),
        "two writers can lose commits when the WAL is reset; hyperhive has one writer, "
        "but take a newer SQLite where there is one",
    ),
    "aiohttp": Floor("aiohttp", ((3, 14, 3),), "request smuggling, CVE-2026-54278 and others"),
    "claude-code": Floor("claude-code", ((2, 1, 128),), "CVE-2026-46406 and older escapes"),
}


@dataclass(frozen=True, slots=True)
class Version:
    """One part as found; `found` is empty when it is not there."""

    floor: Floor
    found: str

    @property
    def good(self) -> bool:
        return bool(self.found) and meets(_numbers(self.found), self.floor.lines)

    @property
    def text(self) -> str:
        wanted = " or ".join(".".join(map(str, line)) for line in self.floor.lines)
        if not self.found:
            return f"{self.floor.part} is not installed; {wanted} or newer is needed"
        if self.good:
            return f"{self.floor.part} {self.found}"
        return f"{self.floor.part} {self.found} is older than {wanted}: {self.floor.why}"


def meets(found: tuple[int, ...], lines: tuple[tuple[int, ...], ...]) -> bool:
    """Whether a version is in a maintained line at or above its first good release."""
    if found >= lines[-1]:
        return True
    return any(found[: len(line) - 1] == line[:-1] and found >= line for line in lines)


def installed() -> list[Version]:
    """What runs here, against its floors."""
    found = {
        "sqlite": SQLITE_VERSION,
        "aiohttp": importlib.metadata.version("aiohttp"),
    }
    # The agent SDK of nixpkgs carries none: there it is in agents' bundles, and looked at by Nix.
    if claude := _claude_version():
        found["claude-code"] = claude
    return [Version(FLOORS[part], version) for part, version in found.items()]


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"\d+", text)[:4])


def _claude_version() -> str:
    """Of the program that the agent SDK carries; the SDK itself is too slow to import for this."""
    spec = importlib.util.find_spec("claude_agent_sdk")
    if spec is None or spec.origin is None:
        return ""
    noted = Path(spec.origin).parent / "_bundled" / "claude.version"
    found = re.match(r"\d+(\.\d+)+", noted.read_text()) if noted.exists() else None
    return found.group() if found else ""
