"""An agent's side of a proposal: a clone of its own, from which commits are uploaded."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

from hyperhive.hive.mail import Sender
from hyperhive.hive.proposals import Proposals
from hyperhive.hive.records import Approval, ApprovalState
from hyperhive.protocol.verbs import RequestApplyCommit
from tests.hive.building import SECONDS, Built
from tests.support.wait import wait_for

_keys = (f"proposal-{n}" for n in itertools.count())


class Clone:
    """Of alice's configuration, by whoever proposes."""

    def __init__(self, built: Built, directory: Path, by: str = "manager") -> None:
        self._built = built
        self._path = directory
        self._by = by
        directory.mkdir()
        self._git("init", "-q", "-b", "main")

    @property
    def proposals(self) -> Proposals:
        return self._built.hive.need_deploying().proposals

    async def sender(self) -> Sender:
        return await self._built.sender(self._by)

    async def fetch(self) -> str | None:
        """What runs, which becomes the branch."""
        me = await self.sender()
        main = (await self.proposals.clones(me.id))["alice"].main
        if main is not None:
            pack = await self.proposals.pack(me.id, "alice", [main], [])
            self._git("index-pack", "--stdin", given=pack)
            self._git("reset", "-q", "--hard", main)
        return main

    def commit(self, **files: str) -> str:
        """On top of what is there; `agent_nix` stands for `agent.nix`."""
        for name, text in files.items():
            (self._path / name.replace("_", ".")).write_text(text)
        self._git("add", "--all")
        identity = ("-c", "user.name=m", "-c", "user.email=m@localhost")
        self._git(*identity, "commit", "-q", "--allow-empty", "-m", "another")
        return self._git("rev-parse", "HEAD").decode().strip()

    async def upload(self, commit: str, base: str | None) -> None:
        wanted = f"{commit}\n" + (f"^{base}\n" if base else "")
        pack = self._git("pack-objects", "--revs", "--stdout", "-q", given=wanted.encode())
        await self.proposals.receive((await self.sender()).id, "alice", commit, pack)

    async def request(self, commit: str, text: str = "", key: str = "") -> int:
        """The number of the approval."""
        request = RequestApplyCommit(
            agent="alice", commit_ref=commit, description=text, key=key or next(_keys)
        )
        answer = await self.proposals.request(await self.sender(), request)
        assert answer["commit"] == commit
        return int(answer["id"])

    async def propose(self, text: str = "", **files: str) -> int:
        """From what runs now."""
        base = await self.fetch()
        commit = self.commit(**files)
        await self.upload(commit, base)
        return await self.request(commit, text)

    def _git(self, *arguments: str, given: bytes = b"") -> bytes:
        command = ["git", "-C", str(self._path), *arguments]
        return subprocess.run(command, input=given, capture_output=True, check=True).stdout


async def becomes(built: Built, number: int, *states: ApprovalState) -> Approval:
    """The approval, once it is in one of these states."""

    async def look() -> Approval | None:
        found = await built.read(lambda tx: tx.approvals.get(number))
        return found if found and found.state in states else None

    return await wait_for(look, SECONDS, f"approval {number} to be {' or '.join(states)}")


async def told(built: Built, number: int, to: str = "manager") -> list[str]:
    """What the requester was told of it, state by state."""
    news = await built.told(to)
    mine = [n for n in news if n["event"] == "approval_resolved" and n["id"] == number]
    return [n["status"] for n in mine]
