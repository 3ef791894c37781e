"""Every kind of difference is drawn, and none is read or sent that the page has already."""

from __future__ import annotations

import aiohttp
import pytest

from hyperhive.hive import proposal_views
from tests.dashboard.changing import BEFORE, asked, form, running
from tests.dashboard.test_deploy_pages import shown
from tests.dashboard.test_pages import text
from tests.support.commits import Files
from tests.support.deploying import Workshop

Client = aiohttp.ClientSession

FILES: list[tuple[Files, Files, list[str]]] = [
    (
        {"agent.nix": b"", "a b.sh": b"x\n"},
        {"agent.nix": b"", "a b.sh": ("100755", b"x\n")},
        ["changed a b.sh mode a file (100644) becomes a program (100755); 2 B"],
    ),
    (
        {"agent.nix": b"", "old": b"same\n" * 9},
        {"agent.nix": b"", "new": b"same\n" * 9},
        ["renamed old → new 45 B"],
    ),
    (
        {"agent.nix": b""},
        {"agent.nix": b"", "link": ("120000", b"agent.nix")},
        ["added link a symbolic link (120000); 9 B", "whose line is where it points. + agent.nix"],
    ),
    ({"agent.nix": b"x"}, {"agent.nix": b"\0\1\2" * 9}, ["Binary after: 27 bytes, SHA-256"]),
    ({"agent.nix": b"", "gone": b"x\n"}, {"agent.nix": b""}, ["removed gone 2 B - x"]),
    ({"agent.nix": b""}, {"agent.nix": b"caf\xe9\n"}, ["not UTF-8: bytes", "+ caf\\xe9"]),
    ({"agent.nix": b"a\nb\n"}, {"agent.nix": b"a\rb\n"}, ["- a - b + a\\x0db"]),
    ({"agent.nix": b"a\n"}, {"agent.nix": b"a"}, ["No line end at the end after. - a + a"]),
    (
        {"agent.nix": b"a\n"},
        {"agent.nix": "\u202ea\u200b\x1b[2K\u00a0\u3164\ufe0f\n".encode()},
        ["+ \\u202ea\\u200b\\x1b[2K\\xa0\\u3164\\ufe0f"],
    ),
    (
        {"agent.nix": b""},
        {"agent.nix": b"", "<script>alert(1)</script>": b"<img src=x>\n"},
        ["added <script>alert(1)</script> 12 B + <img src=x>"],
    ),
]


@pytest.mark.parametrize(("before", "after", "parts"), FILES)
async def test_every_kind_of_difference(
    shop: Workshop, operator: Client, before: Files, after: Files, parts: list[str]
) -> None:
    approval = await asked(shop, await running(shop, before), after)
    page = await shown(operator, f"/approvals/{approval.id}")
    for part in parts:
        assert part in page
    assert "<script>alert" not in await text(operator, f"/approvals/{approval.id}")
    assert await form(operator, approval.id)


# --- a page that is there already ---


async def again(browser: Client, path: str, has: str) -> str:
    async with browser.get(path, headers={"X-Refresh": has}) as answer:
        assert answer.status == 200
        return await answer.text()


def name(body: str) -> str:
    return body.partition('data-shown="')[2].partition('"')[0]


async def test_what_the_page_has_is_not_sent_again(
    shop: Workshop, operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = await running(shop)
    approval = await asked(shop, base, {"agent.nix": b"x\n" * 5_000})
    here = f"/approvals/{approval.id}"
    part, whole = await text(operator, here), await text(operator, f"{here}?whole=1")
    assert name(part).endswith("-part")
    assert name(whole).endswith("-all")
    fresh = await again(operator, here, name(part))
    assert "+ x" not in fresh
    assert name(fresh) == name(part)
    assert "/approve/" not in fresh
    wanted: list[bool] = []
    read = proposal_views.show

    async def show(*of: object, whole: bool, **more: object) -> object:
        wanted.append(whole)
        return await read(*of, whole=whole, **more)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(proposal_views, "show", show)
    fresh = await again(operator, f"{here}?whole=1", name(whole))
    assert "+ x" not in fresh
    assert name(fresh) == name(whole)
    assert f'formaction="/approve/{approval.id}"' in fresh
    assert wanted == [False]  # all of it was read once


@pytest.mark.parametrize("has", ["yes", "nothing-x-all", "{other}", "{base}-{commit}-whole"])
async def test_what_it_lacks_is_sent(shop: Workshop, operator: Client, has: str) -> None:
    base = await running(shop)
    first = await asked(shop, base, {"agent.nix": BEFORE + b"first\n"})
    other = name(await text(operator, f"/approvals/{first.id}"))
    second = await asked(shop, base, {"agent.nix": b"x\n" * 5_000})
    told = has.format(other=other, base=base, commit=second.binding["commit"])
    body = await again(operator, f"/approvals/{second.id}?whole=1", told)
    assert body.count(">+ x</ins>") == 5_000
    assert f'formaction="/approve/{second.id}"' in body
