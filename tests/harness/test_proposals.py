"""`request_apply_commit` from a clone to the host: what is committed there is what is asked for."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from hyperhive.gateway.limits import ConfigLimits
from hyperhive.harness.clones import Clones
from hyperhive.harness.proposals import PROPOSAL, ProposingCaller
from hyperhive.harness.requests import complete
from hyperhive.protocol.errors import HiveError, InvalidField, RemoteError, TooLarge, Unavailable
from hyperhive.protocol.verbs import RequestApplyCommit
from tests.gateway.configured import git
from tests.gateway.test_config_repos import slow
from tests.harness.cloning import PATIENCE, Cloning, cloning, snapshot
from tests.support.wait import wait_for


@pytest.fixture
async def c(tmp_path: Path, socket_dir: Path) -> AsyncIterator[Cloning]:
    async with cloning(tmp_path, socket_dir) as c:
        yield c


async def propose(c: Cloning, ref: str, agent: str = "bob", key: str = "k") -> Any:
    asked = {"agent": agent, "commit_ref": ref, "description": "why"}
    return await c.caller.call(PROPOSAL, complete(RequestApplyCommit, asked, {"key": key}))


def held(root: Path) -> set[str]:
    """What the host has, as names of files."""
    return {path.name for path in (root / "applied").iterdir()}


async def test_a_commit_is_found_sent_and_asked_for(c: Cloning, tmp_path: Path) -> None:
    await c.commit("two")
    made = await c.commit("three")
    answer = await propose(c, made[:7])
    assert answer == {"id": answer["id"], "state": "checking", "commit": made}
    assert await c.host.configs.holds("bob", made)
    place = tmp_path / "applied" / "bob.incoming"
    assert await git(place, "show", f"{made}~:agent.nix") == "two"
    assert await propose(c, made[:7]) == answer


async def test_what_is_not_committed_is_told_and_stays(c: Cloning) -> None:
    made = await c.commit("two")
    (c.bob / "agent.nix").write_text("three")
    (c.bob / "new").mkdir()
    (c.bob / "new" / "a file\n").write_text("")
    before = snapshot(c.bob, "objects")
    answer = await propose(c, made)
    assert answer["note"] == (
        f"2 files in {c.bob} are not as in this commit, which is all that is proposed"
    )
    assert snapshot(c.bob, "objects") == before
    await c.git("stash", "-q", "-u")
    assert "note" not in await propose(c, made, key="k2")


async def test_what_is_no_commit_there_is_said(c: Cloning) -> None:
    made = await c.commit("two")
    tree = await c.git("rev-parse", "HEAD^{tree}")
    await c.git("branch", "abcdef")
    for ref in ("f" * 40, "abcdef", tree, made[:-1] + ("0" if made[-1] != "0" else "1")):
        with pytest.raises(InvalidField, match="commit there first; git log shows the ids") as no:
            await propose(c, ref)
        assert no.value.field == "commit_ref"


async def test_only_digits_that_mean_one_commit_will_do(c: Cloning) -> None:
    ids: dict[str, str] = {}
    tree = await c.git("rev-parse", "HEAD^{tree}")
    while True:  # among some hundreds two begin alike: 16 bits
        made = await c.git("commit-tree", tree, "-p", "HEAD", "-m", str(len(ids)))
        if other := ids.get(made[:4]):
            break
        ids[made[:4]] = made
    with pytest.raises(InvalidField, match="is ambiguous; more digits") as no:
        await propose(c, made[:4])
    assert made[:16] in no.value.problem
    assert other[:16] in no.value.problem


async def test_nothing_is_sent_that_the_host_has(c: Cloning, tmp_path: Path) -> None:
    old = await c.git("rev-parse", "main")
    await c.host.runs("bob", "two")
    before = held(tmp_path)
    with pytest.raises(RemoteError, match="stale base"):
        await propose(c, old)
    failed = await c.host.configs.declare("bob", {"agent.nix": b"x"}, (await told(c))["main"])
    await c.host.configs.mark("bob", "failed", 7, failed)
    assert (await propose(c, failed))["commit"] == failed
    assert held(tmp_path) == before


async def told(c: Cloning) -> dict[str, Any]:
    refs: dict[str, Any] = (await c.host.refs("manager"))["bob"]
    return refs


async def test_a_stale_base_is_rebased_as_the_prompt_says(c: Cloning) -> None:
    (c.bob / "mine.nix").write_text("{ }")
    await c.git("add", ".")
    made = await c.commit("one")
    await c.host.runs("bob", "two")
    with pytest.raises(RemoteError, match="stale base"):
        await propose(c, made)
    await c.git("rebase", "-q", "applied/main")
    assert (await propose(c, await c.git("rev-parse", "HEAD")))["state"] == "checking"
    assert (c.bob / "agent.nix").read_text() == "two"


async def test_what_is_too_large_is_not_sent(c: Cloning, tmp_path: Path) -> None:
    await c.git("config", "core.bigFileThreshold", "1")
    with open("/dev/urandom", "rb") as noise:
        (c.bob / "image").write_bytes(noise.read(33 * 2**20))
    await c.git("add", ".")
    made = await c.commit("two")
    before = held(tmp_path)
    with pytest.raises(TooLarge, match=f"{made[:12]} needs more than 32 MiB .*git reset --soft"):
        await propose(c, made)
    assert held(tmp_path) == before


async def test_who_has_no_configuration_is_said(c: Cloning) -> None:
    for agent in ("nobody", "alice"):
        with pytest.raises(InvalidField, match=r"agent: has no configuration .* are: bob"):
            await propose(c, "abcd", agent)


async def test_who_may_propose_for_itself_proposes(tmp_path: Path, socket_dir: Path) -> None:
    async with cloning(tmp_path, socket_dir, by="bob") as c:
        await c.host.runs("alice", "x")
        assert (await propose(c, await c.commit("two")))["state"] == "checking"
        with pytest.raises(InvalidField, match="known are: bob"):
            await propose(c, "abcd", "alice")


class Forgetful:
    """Between upload and request the host forgets what it holds, a number of times."""

    def __init__(self, c: Cloning, times: int) -> None:
        self._c = c
        self._times = times
        self.asked: list[Mapping[str, object]] = []

    def fill_in(self) -> Mapping[str, object]:
        return self._c.caller.fill_in()

    async def call(self, verb: str, args: Mapping[str, object]) -> object:
        self.asked.append(args)
        if len(self.asked) <= self._times:
            shutil.rmtree(self._c.agents.parents[1] / "applied" / "bob.incoming")
        return await self._c.caller._caller.call(verb, args)


async def test_what_the_host_forgot_is_sent_once_more(c: Cloning) -> None:
    made = await c.commit("two")
    asked = {"agent": "bob", "commit_ref": made[:8], "key": "k"}
    forgetful = Forgetful(c, 1)
    answer = await ProposingCaller(forgetful, c.clones, PATIENCE).call(PROPOSAL, asked)
    assert answer == {"id": 2, "state": "checking", "commit": made}
    assert forgetful.asked == [{**asked, "commit_ref": made}] * 2
    made = await c.commit("three")
    asked = {"agent": "bob", "commit_ref": made, "key": "k2"}
    with pytest.raises(RemoteError) as no:
        await ProposingCaller(Forgetful(c, 2), c.clones, PATIENCE).call(PROPOSAL, asked)
    assert no.value.remote_code == "not_found"


async def test_a_host_that_restarts_is_waited_for(c: Cloning) -> None:
    made = await c.commit("two")
    await c.host.world.gateway.__aexit__(None, None, None)
    asking = asyncio.create_task(propose(c, made))
    done, _ = await asyncio.wait({asking}, timeout=0.5)
    assert not done
    await c.host.world.open_all()
    assert (await asking)["commit"] == made


async def test_an_upload_that_a_restart_breaks_off_is_repeated(
    tmp_path: Path, socket_dir: Path
) -> None:
    async with cloning(tmp_path, socket_dir, limits=ConfigLimits(transfers=1)) as c:
        made = await c.commit("two")
        world = c.host.world
        writer = await slow(c.host, "bob")  # there is room for no other
        asking = asyncio.create_task(propose(c, made))
        manager = await world.agent("manager")
        busy = world.gateway._transfers._busy
        await wait_for(lambda: manager.id in busy, 5, "the upload")
        await world.gateway.__aexit__(None, None, None)
        assert not busy
        await world.open_all()
        assert (await asking)["commit"] == made
        writer.close()


async def test_a_host_that_stays_away_is_told_in_time(c: Cloning) -> None:
    made = await c.commit("two")
    await c.host.world.gateway.__aexit__(None, None, None)
    with pytest.raises(HiveError, match=r"no answer from the host within 0\.3 s"):
        await c.clones.prepare("bob", made, 0.3)
    await c.host.world.open_all()


async def test_a_disk_that_is_full_is_an_error_in_words(
    c: Cloning, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await c.commit("two")
    monkeypatch.setattr("tempfile.tempdir", "/nonexistent")
    with pytest.raises(Unavailable, match=r"bob: .*No such file or directory"):
        await propose(c, made)


async def test_two_proposals_at_once_do_not_mix(c: Cloning) -> None:
    await c.host.runs("alice", "one")
    await c.clones.keep_in_step()
    made = await c.commit("two")
    alice = c.agents / "alice"
    await git(alice, "commit", "-q", "--allow-empty", "-m", "another")
    other = await git(alice, "rev-parse", "HEAD")
    answers = await asyncio.gather(propose(c, made), propose(c, other, "alice", "k2"))
    assert [answer["commit"] for answer in answers] == [made, other]


async def test_another_verb_goes_its_way(c: Cloning) -> None:
    answer: Any = await c.caller.call("whoami", {})
    assert answer["name"] == "manager"
    assert c.caller.fill_in().keys() >= {"key"}


async def test_its_tags_are_there_right_after(c: Cloning) -> None:
    """Of what was pinned meanwhile, here by a deploy."""
    made = await c.commit("two")

    class Pinning(Forgetful):
        async def call(self, verb: str, args: Mapping[str, object]) -> object:
            answer = await super().call(verb, args)
            await c.host.configs.pin("bob", 2, made)
            return answer

    asked = {"agent": "bob", "commit_ref": made, "key": "k"}
    await ProposingCaller(Pinning(c, 0), c.clones, PATIENCE).call(PROPOSAL, asked)
    assert await c.git("rev-parse", "proposal/2") == made


async def test_a_second_harness_makes_the_same_clone(tmp_path: Path, socket_dir: Path) -> None:
    """Such as `hyperhive-harness mcp` beside the one that runs."""
    async with cloning(tmp_path, socket_dir) as c:
        shutil.rmtree(c.bob)
        socket = c.host.world.socket("manager")
        several = [Clones(socket, c.agents, "manager") for _ in range(3)]
        await asyncio.gather(*(clones.keep_in_step() for clones in several))
        assert sorted(path.name for path in c.agents.iterdir()) == ["bob"]
        assert await c.git("status", "-s", "-b") == "## main...applied/main"
