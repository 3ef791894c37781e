"""What one commit changes in place of another, as people are shown it: every byte accounted for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ChangeKind = Literal["added", "removed", "changed", "renamed"]
LineKind = Literal["same", "added", "removed", "gap"]
"""`gap` stands for lines that neither commit changed; its text says how many."""


@dataclass(frozen=True, slots=True)
class Line:
    """`old` and `new` count lines from 1. The text may hold any character but a line feed."""

    kind: LineKind
    text: str
    old: int | None = None
    new: int | None = None


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file. Modes are git's, such as `100644`, empty where there is no file; sizes in bytes."""

    path: str
    kind: ChangeKind
    old_path: str = ""
    """Where it was, if it was somewhere else."""
    old_mode: str = ""
    new_mode: str = ""
    old_size: int = 0
    new_size: int = 0
    lines: tuple[Line, ...] = ()
    note: str = ""
    """What the lines do not tell: that it is binary, or no text, and what its SHA-256 is."""
    hidden: int = 0
    """Lines of the difference that are left out."""


@dataclass(frozen=True, slots=True)
class Changes:
    files: tuple[FileChange, ...]
    hidden_files: int = 0
    """Changed files that are left out altogether."""

    @property
    def complete(self) -> bool:
        """Whether nothing is left out."""
        return not self.hidden_files and not any(file.hidden for file in self.files)


@dataclass(frozen=True, slots=True)
class CommitInfo:
    """`at` is in seconds since 1970; author and message are as the commit says, not trusted."""

    id: str
    author: str
    at: int
    message: str


@dataclass(frozen=True, slots=True)
class Refs:
    """What the holder of a clone is told of an applied repository.

    Ids are of commits, but of the tag itself where it has a text of its own, such as a reason.
    """

    main: str | None
    tags: dict[str, str]
    """`deployed/7` and the like, the newest first."""


@dataclass(frozen=True, slots=True)
class Closure:
    """What a system consists of in place of another, by name and version as in `git-2.44.0`.

    Where it is not `built` yet, `added` is what would be built or fetched, the sizes are unknown,
    and `removed` is empty. Sizes in bytes.
    """

    built: bool
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    size_before: int | None = None
    size_after: int | None = None
    download: int | None = None
    """What has to be fetched first."""
