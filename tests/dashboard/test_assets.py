"""Scripts and styles from memory."""

from pathlib import Path

import aiohttp

from hyperhive import dashboard
from hyperhive.dashboard.assets import load
from tests.support.swarm import Swarm

FOLDER = Path(dashboard.__file__).parent / "static"


def test_the_version_follows_the_contents() -> None:
    assets = load()
    assert len(assets.version) == 16
    assert load() == assets
    assert assets.files["style.css"] == ("text/css", (FOLDER / "style.css").read_bytes())
    assert assets.url("main.js") == f"/static/{assets.version}/main.js"


async def test_every_file_is_served_with_its_type(hive: Swarm) -> None:
    assets = load()
    async with aiohttp.ClientSession(hive.url) as stranger:
        for path, (content_type, content) in assets.files.items():
            async with stranger.get(assets.url(path)) as answer:
                assert (answer.status, answer.content_type) == (200, content_type)
                assert await answer.read() == content


async def test_nothing_but_these_files_is_served(hive: Swarm) -> None:
    assets = load()
    names = ["", "x.js", "../app.py", "%2e%2e/app.py", "vendor/.stamp", "vendor", "/etc/passwd"]
    async with aiohttp.ClientSession(hive.url) as stranger:
        for name in names:
            async with stranger.get(f"/static/{assets.version}/{name}") as answer:
                assert answer.status in (401, 404), name
