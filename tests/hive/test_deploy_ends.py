"""What is kept of the end of a deploy, and how often what follows from it is tried."""

import pytest

from hyperhive.hive import retry
from hyperhive.hive.deploy_ends import MAX_ERROR
from hyperhive.hive.retry import a_few_times
from hyperhive.protocol.errors import BuildFailed, Conflict, HiveError, NotFound, Unavailable
from tests.hive.building import Built
from tests.hive.conftest import MakeBuilt


async def failed_with(built: Built, text: str) -> str:
    """What is kept and told of this error of a job, which nobody can trust."""

    async def step(_: str) -> None:
        raise BuildFailed("evaluation", text)

    built.builds.step = step
    async with built.serving():
        deploy = await built.over()
        assert await built.tagged(f"failed/{deploy.id}") == deploy.commit
    assert (await built.hear("manager", "rebuilt"))["note"] == deploy.error
    assert (await built.events("deploy"))[-1].data["error"] == deploy.error
    return deploy.error


async def test_an_error_is_kept_as_far_as_it_can_be_shown(make_built: MakeBuilt) -> None:
    built = await make_built()
    assert await failed_with(built, "a\tb\n\x1b[2Jc\0\u202ed") == "a    b\n\ufffd[2Jc\ufffd\ufffdd"


async def test_of_a_long_error_its_first_line_and_its_end_are_kept(make_built: MakeBuilt) -> None:
    """What ended it is said first; Nix says last what is wrong."""
    built = await make_built()
    kept = await failed_with(built, "too long\n" + "trace\n" * 10_000 + "error: this")
    assert kept.startswith("too long\n…")
    assert kept.endswith("\nerror: this")
    assert len(kept) == MAX_ERROR + len("too long\n…")


# --- trying ---


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "RETRY_SECONDS", 0.0)


class Refusing:
    """Does it at last, if ever."""

    def __init__(self, error: HiveError, times: int) -> None:
        self.tries = 0
        self._error, self._times = error, times

    async def __call__(self) -> None:
        self.tries += 1
        if self.tries <= self._times:
            raise self._error


async def test_what_passes_is_tried_again() -> None:
    act = Refusing(Unavailable("git hangs"), 3)
    await a_few_times(act)
    assert act.tries == 4


async def test_what_stays_is_given_up() -> None:
    act = Refusing(Unavailable("git hangs"), 99)
    with pytest.raises(Unavailable):
        await a_few_times(act)
    assert act.tries == retry.ATTEMPTS


@pytest.mark.parametrize("error", [NotFound("no repository"), Conflict("main is elsewhere")])
async def test_what_will_never_work_is_tried_once(error: HiveError) -> None:
    act = Refusing(error, 1)
    with pytest.raises(type(error)):
        await a_few_times(act)
    assert act.tries == 1
