"""Changes of any size and of any text: nothing runs, hides, or is wider than a phone."""

from __future__ import annotations

import time

import pytest

from hyperhive.hive.records import Approval
from hyperhive.protocol.bundle import AgentSettings
from tests.browser.test_hostile_text import harmless
from tests.browser.test_layout import FAINT, NAMELESS, OPEN_ALL, TOO_WIDE, TWICE
from tests.dashboard.changing import asked, running
from tests.support.chromium import Window, browse
from tests.support.commits import Files
from tests.support.deploying import Workshop
from tests.support.payloads import payloads
from tests.support.swarm import Swarm

pytestmark = pytest.mark.browser

LONG = "w" * 400


@pytest.fixture
def hive(shop: Workshop) -> Swarm:
    return shop.made


LINES = "[...document.querySelectorAll('.lines > ins')].map((e) => e.textContent.slice(2))"


async def test_two_hundred_hostile_texts(shop: Workshop, window: Window) -> None:
    texts = [text.replace("\n", " ").strip() or "-" for text in payloads()]
    module = "".join(f"{text}\n" for text in texts)
    description = "\n".join(texts)[:2_000]
    prompt = AgentSettings(prompt=module[:5_000])
    base = await running(shop)
    commit = await shop.forge("alice", base, {"agent.nix": module.encode()}, module[:20_000])
    approval = await shop.propose(
        *("alice", commit, base, description),
        by="manager",
        settings=prompt,
        warnings=texts[:50],
    )
    for path in ("/", f"/approvals/{approval.id}?whole=1"):
        await window.show(path)
        await harmless(window)
    shown = await window.eval(LINES)
    assert len(shown) == 200
    plain = [text for text in texts if text.isascii() and text.isprintable()]
    assert [text for text in plain if text not in shown] == []
    assert await window.eval("document.querySelectorAll('.decide button').length") == 2


async def test_characters_stand_in_the_order_that_they_have(shop: Workshop, window: Window) -> None:
    """Of writing from right to left, too: else what is read is not what is run."""
    line = 'a = "\u05d0\u05d1\u05d2" + 1 + "\u0627\u0628"; # \u202eb\u2066c\u200f'
    approval = await asked(shop, await running(shop), {"agent.nix": line.encode()})
    await window.show(f"/approvals/{approval.id}")
    assert await window.eval(LINES) == [
        'a = "\u05d0\u05d1\u05d2" + 1 + "\u0627\u0628"; # \\u202eb\\u2066c\\u200f'
    ]
    places = await window.eval(PLACES)
    assert places == sorted(places)


PLACES = """(() => {
  const text = document.querySelector(".lines > ins").firstChild;
  const range = document.createRange();
  return [...text.data].map((_, at) => {
    range.setStart(text, at);
    range.setEnd(text, at + 1);
    return range.getBoundingClientRect().left;
  });
})()"""


async def test_marks_do_not_paint_over_the_next_line(shop: Workshop, window: Window) -> None:
    files = {"agent.nix": ("x" + "\u0301\u0330" * 1_000 + "\nevil\n").encode()}
    approval = await asked(shop, await running(shop), files)
    await window.show(f"/approvals/{approval.id}?whole=1")
    clip = await window.eval("getComputedStyle(document.querySelector('.lines > ins')).overflow")
    assert clip == "clip"


async def test_nothing_is_out_of_sight_at_the_right(shop: Workshop, window: Window) -> None:
    """Far behind spaces, or at the end of a line of a megabyte."""
    line = b"a = 1;" + b" " * 1_500 + b"evil\n"
    long = b"w" * 2**20 + b"END\n"
    approval = await asked(shop, await running(shop), {"agent.nix": line, "long": long})
    await window.show(f"/approvals/{approval.id}")
    assert "1 line not shown" in await window.page.inner_text("#obstacle")
    began = time.monotonic()
    await window.show(f"/approvals/{approval.id}?whole=1")
    assert time.monotonic() - began < 10
    assert (await window.eval(LINES))[1].endswith("wEND")
    assert await window.eval("document.documentElement.scrollWidth <= innerWidth")
    for word in ("evil", "END"):
        right = await window.eval(RIGHT.replace("WORD", word))
        assert 0 < right <= await window.eval("innerWidth")
    assert await window.page.locator(".decide .primary").inner_text() == "Approve"
    assert window.errors == []


RIGHT = """(() => {
  for (const line of document.querySelectorAll(".lines > ins")) {
    const text = line.firstChild, at = text.data.lastIndexOf("WORD");
    if (at < 0) continue;
    const range = document.createRange();
    range.setStart(text, at);
    range.setEnd(text, at + "WORD".length);
    return range.getBoundingClientRect().right;
  }
})()"""


async def test_two_thousand_files(shop: Workshop, window: Window) -> None:
    files = {f"d{n % 50}/<b>{n}": b"%d\n" % n for n in range(1_899)} | {"agent.nix": b""}
    approval = await asked(shop, await running(shop), files)
    await window.show(f"/approvals/{approval.id}")
    assert await window.page.inner_text("#obstacle") == (
        "1,800 files not shown: approve after opening them."
    )
    began = time.monotonic()
    await window.page.locator(".decide").get_by_role("link", name="Show all of it").click()
    await window.page.wait_for_selector("#live[data-state=live]")
    assert time.monotonic() - began < 10
    assert await window.eval("document.querySelectorAll('.file').length") == 1_900
    assert await window.page.locator(".decide .primary").inner_text() == "Approve"
    await harmless(window)


async def test_a_hundred_thousand_lines(shop: Workshop, window: Window) -> None:
    files = {"agent.nix": b"".join(b"line %d of many\n" % n for n in range(100_000))}
    approval = await asked(shop, await running(shop), files, checked=False)
    began = time.monotonic()
    await window.show(f"/approvals/{approval.id}?whole=1")
    assert time.monotonic() - began < 20
    assert await window.eval("document.querySelectorAll('.lines > ins').length") == 100_000
    began = time.monotonic()
    await shop.check(approval.id)  # what is there already is not fetched again
    await window.page.wait_for_selector(".decide .primary")
    assert time.monotonic() - began < 5


# --- phone ---


async def every_state(shop: Workshop) -> dict[str, Approval]:
    """Text without a place to break, wherever there can be text."""
    base = await running(shop)
    name = "n" * 200
    files: Files = {
        "agent.nix": b"x\n" * 4_000,
        name: LONG.encode(),
        "link": ("120000", b"t" * 200),
    }
    settings = AgentSettings(prompt=LONG, allowed_bash=(f"{LONG} *",))
    closure = {
        "built": False,
        "added": [LONG, *map(str, range(40))],
        "removed": [],
        "size_before": None,
        "size_after": None,
        "download": None,
    }
    more = {"settings": settings, "warnings": [LONG], "closure": closure}
    found = {"superseded": await asked(shop, base, files, LONG, **more)}
    found["failed"] = await asked(shop, base, files, LONG, checked=False)
    await shop.fail(found["failed"].id, LONG)
    found["checking"] = await asked(shop, base, files, LONG, checked=False, by="alice")
    found["pending"] = await asked(shop, base, {"agent.nix": LONG.encode()}, LONG, **more)
    return found


@pytest.mark.parametrize(
    ("width", "scheme"), [(375, "dark"), (375, "light"), (320, "light"), (1280, "dark")]
)
async def test_every_state_fits_and_can_be_read(shop: Workshop, width: int, scheme: str) -> None:
    states = await every_state(shop)
    paths = [f"/approvals/{approval.id}" for approval in states.values()]
    hidden = await asked(shop, (await running(shop)), {f"f{n}": b"" for n in range(120)}, by="")
    paths += ["/", f"/approvals/{hidden.id}", f"{paths[-1]}?base=previous", "/deploys/1/changes"]
    view = {"width": width, "height": 667}
    async with browse(shop.made, viewport=view, color_scheme=scheme) as window:
        await window.login()
        for path in paths:
            await window.show(path)
            await window.eval(OPEN_ALL)
            assert await window.eval("document.documentElement.scrollWidth") <= width, path
            assert await window.eval(NAMELESS) == [], path
            assert await window.eval(TWICE) == [], path
            await window.eval(FEW_LINES)
            assert await window.eval(TOO_WIDE) == [], path
            assert await window.eval(FAINT) == [], path


FEW_LINES = """for (const line of document.querySelectorAll(".lines > *:nth-child(n + 9)")) {
  line.remove();
}"""


async def test_the_thumb_reaches_what_decides(shop: Workshop) -> None:
    states = await every_state(shop)
    view = {"width": 375, "height": 667}
    async with browse(shop.made, viewport=view, has_touch=True, is_mobile=True) as window:
        await window.login()
        await window.show(f"/approvals/{states['pending'].id}")
        for place in ("0", "document.body.scrollHeight / 2", "document.body.scrollHeight"):
            await window.eval(f"scrollTo(0, {place})")
            for name in ("Approve", "Deny"):
                box = await window.page.get_by_role("button", name=name).bounding_box()
                assert box is not None
                assert 333 < box["y"] < box["y"] + box["height"] <= 667
                assert box["height"] >= 30
        bar = await window.page.locator(".decide").bounding_box()
        assert bar is not None
        assert bar["height"] < 200
        await window.page.get_by_role("button", name="Approve").tap()
        await window.page.wait_for_selector(".decide", state="detached")


async def test_the_keyboard_decides(shop: Workshop, window: Window) -> None:
    approval = await asked(shop, await running(shop))
    await window.show(f"/approvals/{approval.id}")
    await window.page.focus(".file summary")
    await window.page.keyboard.press("Tab")
    await window.page.keyboard.type("fine")
    await window.page.keyboard.press("Tab")
    assert await window.eval("document.activeElement.textContent") == "Approve"
    assert await window.eval("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    await window.page.keyboard.press("Enter")
    await window.page.wait_for_selector(".decide", state="detached")
    found = await shop.made.hive.store.read(lambda tx: tx.approvals.get(approval.id))
    assert found is not None
    assert (found.state, found.note) == ("running", "fine")
