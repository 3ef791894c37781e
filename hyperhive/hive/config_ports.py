"""What the rules need of git and of Nix: configurations as commits, commits as bundles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from hyperhive.hive.change_rows import Changes, CommitInfo, Refs
from hyperhive.hive.deploy_rows import Built, Checked

Mark = Literal["proposal", "approved", "building", "failed", "denied"]

DECLARED = "as declared in the host's configuration"


class Configs(Protocol):
    """Each agent's configuration as commits; `main` is what runs. Raises Unavailable."""

    # --- as the host writes it ---

    async def declare(
        self,
        agent: str,
        changed: Mapping[str, bytes | None],
        base: str | None,
        message: str = DECLARED,
    ) -> str:
        """A commit on top of `base` with these files, by path; those that are None are gone.

        `base` itself where that changes nothing.
        """

    async def restore(self, agent: str, commit: str, base: str, message: str) -> str:
        """A commit on top of `base` with the files of an earlier one. Raises Conflict when it has
        them already."""

    async def settle(self, agent: str, deploy: int, commit: str) -> None:
        """The deploy came up: `main` is this commit, `deployed/<deploy>` names it. Repeatable."""

    async def mark(
        self, agent: str, word: Mark, number: int, commit: str, why: str | None = None
    ) -> None:
        """Name the commit `<word>/<number>` for good, with the reason if any. Repeatable."""

    async def remove(self, agent: str) -> None:
        """For an agent that is purged. Repeatable."""

    # --- as it is proposed ---

    async def refs(self, agent: str) -> Refs:
        """Without any where it has no configuration yet."""

    async def pack(self, agent: str, want: Sequence[str], have: Sequence[str]) -> bytes:
        """git-pack-objects(1) of what `want` needs beyond `have`: full ids of commits and tags.

        What is in `have` and not known here is ignored; `want` is what `refs` names, else NotFound.
        """

    async def holds(self, agent: str, commit: str) -> bool:
        """Whether it was received, or is in what `refs` names: whether `pin` finds it."""

    async def receive(self, agent: str, commit: str, pack: bytes) -> None:
        """Check a pack that completes `commit`, and hold it aside until `pin`, or the next one.

        Raises InvalidField and TooLarge for what cannot be taken; nothing is left of it then.
        """

    async def pin(self, agent: str, number: int, commit: str) -> str:
        """Name it `proposal/<number>` for good; its tree. Repeatable.

        Raises NotFound for what was not received, or is not held any more.
        """

    async def tree(self, agent: str, commit: str) -> str:
        """The id of its tree."""

    async def contains(self, agent: str, commit: str, earlier: str) -> bool:
        """Whether the earlier commit is an ancestor, or the same."""

    async def history(
        self, agent: str, commit: str, base: str | None, limit: int
    ) -> tuple[CommitInfo, ...]:
        """The commits that are in this one and not in `base`, newest first."""

    async def changes(self, agent: str, base: str | None, commit: str, *, whole: bool) -> Changes:
        """What the files differ in; without a base all of them are new.

        Of what is too long to be read at once the rest is left out, if not the `whole` is wanted.
        """


class Builds(Protocol):
    """Evaluates and builds configurations, outside of the service.

    All may be cancelled, and called again for what an earlier service had begun. Deploys and
    approvals share their numbers, and what is printed for one number is one log.
    """

    @property
    def host(self) -> str:
        """Names what everything is built against; another one makes what runs out of date."""

    async def check(self, approval: int, agent: str, commit: str, running: str | None) -> Checked:
        """Evaluate a proposal beside what goes on; `running` is the system it would replace.

        Its derivation is kept until `drop`, or until the agent's next check. Raises BuildFailed.
        """

    async def drop(self, agent: str) -> None:
        """Nothing proposed for it is to be built any more. Repeatable."""

    async def evaluate(self, deploy: int, agent: str, commit: str) -> Built:
        """Raises BuildFailed with what Nix says."""

    async def build(self, deploy: int, agent: str, built: Built) -> str:
        """The bundle's path; evaluates nothing. Raises BuildFailed, also for another bundle than
        was evaluated."""

    async def keep(self, agent: str, bundles: Mapping[str, str]) -> None:
        """Have exactly these, by role (`running`, `previous`), outlive a garbage collection."""

    async def forget(self, agent: str) -> None:
        """For an agent that is purged. Repeatable."""

    async def log(self, number: int, offset: int) -> tuple[str, int]:
        """What was printed from this byte on, as far as fits, and where to read on."""
