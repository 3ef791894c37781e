"""A change of alice that was asked for, as its page is asked for it."""

from __future__ import annotations

import re
from typing import Any

import aiohttp

from hyperhive.hive.records import Approval
from hyperhive.protocol.bundle import AgentSettings
from tests.dashboard.test_pages import text
from tests.support.commits import Files
from tests.support.deploying import Workshop

BEFORE = b"".join(b"line %d\n" % n for n in range(20))
NPM = AgentSettings(allowed_bash=("git *", "pytest -q", "npm *"))


async def running(shop: Workshop, files: Files | None = None) -> str:
    """Alice runs this commit."""
    first = await shop.commit("alice", "one\n")
    commit = await shop.forge("alice", first, files or {"agent.nix": BEFORE})
    await shop.deploy("alice", "done", commit=commit)
    return commit


async def asked(
    shop: Workshop, base: str, files: Files | None = None, text: str = "please", **more: Any
) -> Approval:
    """By the manager, and checked."""
    changed = files or {"agent.nix": BEFORE.replace(b"line 7\n", b"line seven\n")}
    commit = await shop.forge("alice", base, changed, "because")
    return await shop.propose("alice", commit, base, text, **{"by": "manager", **more})


async def form(browser: aiohttp.ClientSession, number: int, more: str = "") -> dict[str, str]:
    """The hidden fields of the form to decide with."""
    body = await text(browser, f"/approvals/{number}{more}")
    _, _, after = body.partition(f'id="decide-{number}"')
    pairs = re.findall(r'type="hidden" name="(\w+)" value="(\w+)"', after.partition("</form>")[0])
    return dict(pairs)


async def state(shop: Workshop, number: int) -> str:
    found = await shop.made.hive.store.read(lambda tx: tx.approvals.get(number))
    assert found is not None
    return found.state
