"""A manager whose container is taken, and what its root may try at alice with proposals."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from hyperhive.admin.client import AdminClient, NoService
from hyperhive.protocol.errors import RemoteError
from nested.host import NestedHost
from tests.flakes.forge import Forge, Offer
from tests.host.breaching import Answer, Breach, Json, breached
from tests.host.hosted import Hosted, hosted
from tests.support.wait import let_time_pass, wait_for

FLAKE = "/opt/hyperhive/flake"
MODULE = "/etc/hyperhive/agents/alice.nix"
BASE = """\
{ ... }: {
  hyperhive.prompt = "base";
  hyperhive.healthTimeout = 20;
}
"""
OPEN = ("queued", "evaluating", "building", "starting")
LIMITS = {"evalSeconds": 10, "buildSeconds": 8}
SECONDS = 60.0
FILE, DIRECTORY, LINK = "100644", "40000", "120000"


@dataclass(frozen=True)
class Attack:
    """`breach` is inside the manager's container."""

    hive: Hosted
    client: AdminClient
    breach: Breach

    # --- what the agent's side may do ---

    async def main(self, agent: str = "alice") -> str:
        """What runs."""
        answer = await self._patiently("GET", "/v1/config", kept=10**6)
        assert answer.status == 200, answer
        return str(answer.json()["agents"][agent]["main"])

    async def upload(self, offer: Offer, agent: str = "alice") -> Answer:
        path = f"/v1/proposals/{agent}?commit={offer.commit}"
        return await self._patiently("POST", path, offer.pack)

    async def _patiently(self, method: str, path: str, body: bytes = b"", **more: Any) -> Answer:
        """Again while the manager's own harness, which is the same agent, is at it."""
        while (answer := await self.breach.ask(method, path, body, **more)).status == 429:
            await let_time_pass(0.1)
        return answer

    async def request(self, commit: str, agent: str = "alice", **more: Any) -> Answer:
        order = {"agent": agent, "commit_ref": commit, "key": uuid.uuid4().hex, **more}
        return await self.breach.ask("POST", "/v1/request_apply_commit", json.dumps(order).encode())

    async def propose(self, files: Mapping[str, str], title: str = "a change") -> int:
        """These, on top of what runs; the approval."""
        return await self.proposed(offer_of(await self.main(), files), title)

    async def proposed(self, offer: Offer, title: str = "a change") -> int:
        sent = await self.upload(offer)
        assert sent.status == 200, sent
        answer = await self.request(offer.commit, description=title)
        assert answer.status == 200, answer
        return int(answer.json()["id"])

    # --- what the operator sees ---

    async def approval(self, number: int) -> Json:
        found = (await self.client.call("approvals", all=True))["approvals"]
        return next(dict(each) for each in found if each["id"] == number)

    async def checked(self, number: int, seconds: float = SECONDS) -> Json:
        """The approval once it is not `checking`."""

        async def look() -> Json | None:
            found = await self.approval(number)
            return found if found["state"] != "checking" else None

        return await wait_for(look, seconds, f"the check of {number}")

    async def deny(self, number: int) -> None:
        """Returns when all that follows from it is done."""
        await self.client.call("deny", id=number)
        await wait_for(lambda: self.git("tag", "--list", f"denied/{number}"), SECONDS, "its tag")
        await wait_for(lambda: not self.gits(), SECONDS, "the end of git")

    def gits(self) -> str:
        """Programs of git that the service runs."""
        return self.hive.host.run(["ps", "-C", "git", "-o", "args="], check=False).stdout

    async def deploys(self) -> list[Json]:
        found: list[Json] = (await self.client.call("deploys", agent="alice"))["deploys"]
        return found

    async def over(self, number: int, seconds: float = SECONDS) -> Json:
        """The deploy once it is over."""

        async def look() -> Json | None:
            of = [each for each in await self.deploys() if each["id"] == number]
            return of[0] if of and of[0]["state"] not in OPEN else None

        return await wait_for(look, seconds, f"the end of {number}")

    async def told(self, number: int) -> list[Json]:
        """The notes about this approval that its requester got, the oldest first."""
        found = (await self.client.call("messages", limit=200))["messages"]
        mine = (m for m in found if m["to"] == "manager" and m["from"] == "system")
        bodies = [json.loads(m["body"]) for m in mine]
        about = [b for b in bodies if b["event"] == "approval_resolved" and b["id"] == number]
        return about[::-1]

    async def agent(self, name: str = "alice") -> Json:
        found: Json = await self.client.call("agent", name=name)
        return found

    def run_of(self, name: str = "alice") -> str:
        return self.hive.unit(name, "InvocationID")["InvocationID"]

    async def built_exactly(self, shown: Json) -> Json:
        """The deploy of what was shown, which is in force, and nothing else is."""
        bound = shown["binding"]
        deploy = await self.over(shown["id"])
        assert (deploy["state"], deploy["commit"], deploy["error"]) == ("done", bound["commit"], "")
        deriver = self.hive.host.run(["nix-store", "--query", "--deriver", deploy["bundle"]])
        assert deriver.stdout.strip() == bound["drv"]
        agent = await self.agent()
        assert agent["deploy"] == deploy["id"]
        assert agent["settings"]["prompt"] == bound["settings"]["prompt"]
        assert self.git("rev-parse", "main", "main^{tree}").split() == [
            bound["commit"],
            bound["tree"],
        ]
        for word in ("proposal", "approved", "building", "deployed"):
            assert self.git("rev-parse", f"{word}/{deploy['id']}") == bound["commit"]
        assert await self.main() == bound["commit"]
        return deploy

    def git(self, *argv: str) -> str:
        """In the host's own repository of alice; empty where git fails."""
        command = ["git", "-C", "/var/lib/hyperhive/service/applied/alice.git", *argv]
        return self.hive.host.run(command, user="hyperhive", check=False).stdout.strip()


def offer_of(base: str, files: Mapping[str, str], message: str = "a change\n") -> Offer:
    """A commit of these files on top of `base`. A text that begins with `-> ` is a link."""
    forge = Forge(base)
    return forge.offer(forge.commit(_tree(forge, files), base, message=message.encode()))


def _tree(forge: Forge, files: Mapping[str, str]) -> str:
    entries, below = [], dict[str, dict[str, str]]()
    for path, text in files.items():
        first, slash, rest = path.partition("/")
        if slash:
            below.setdefault(first, {})[rest] = text
        elif text.startswith("-> "):
            entries.append((LINK, path.encode(), forge.blob(text[3:].encode())))
        else:
            entries.append((FILE, path.encode(), forge.blob(text.encode())))
    entries += [(DIRECTORY, name.encode(), _tree(forge, sub)) for name, sub in below.items()]
    return forge.tree(*entries)


AGED = """
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as database:
    database.execute("UPDATE approvals SET requested_at = requested_at - 7200")
"""


def an_hour_later(hive: Hosted) -> None:
    """What was asked for so far is not of the last hour any more, of which an agent has so many."""
    hive.stop()
    database = "/var/lib/hyperhive/service/hive.db"
    hive.host.run(["python3", "-c", AGED, database], user="hyperhive")
    hive.start()


@asynccontextmanager
async def refused(code: str, text: str = "") -> AsyncIterator[None]:
    """What the operator asks for is, with this word."""
    with pytest.raises(RemoteError) as caught:
        yield
    assert (caught.value.remote_code, text in caught.value.message) == (code, True), caught.value


@contextmanager
def attacked(
    nested: NestedHost, more: Mapping[str, Json] | None = None, **options: Any
) -> Iterator[Hosted]:
    """The manager and alice are built, and `more` agents; nothing answers for the model."""
    nested.path(MODULE).parent.mkdir(exist_ok=True)
    nested.path(MODULE).write_text(BASE)
    given: Json = {
        "nix": {"flake": FLAKE, **LIMITS},
        "runtime": {"kind": "nspawn"},
        "manager": {"autoStart": True},
        **options,
    }
    alice = {"autoStart": True, "module": MODULE}
    with hosted(nested, {"alice": alice, **(more or {})}, **given) as hive:
        yield hive


@asynccontextmanager
async def attacking(hive: Hosted, user: str = "root") -> AsyncIterator[Attack]:
    """Once both have come up, and the service is there again if it was killed."""
    async with hive.admin() as client:

        async def up() -> bool:
            try:
                found = (await client.call("deploys"))["deploys"]
            except NoService:
                return False
            return {d["agent"] for d in found if d["state"] == "done"} >= {"manager", "alice"}

        await wait_for(up, SECONDS, "the manager and alice")
        async with breached(hive, "manager", user) as breach:
            yield Attack(hive, client, breach)
