"""What changes between two turns of a harness: model, settings, session, process."""

import re
from pathlib import Path

import pytest

from tests.support.claude import MODEL, OTHER_MODEL
from tests.support.scripted_model import text, tool
from tests.support.turns import claude_runs
from tests.support.wait import wait_for
from tests.support.working import working

pytestmark = pytest.mark.claude


async def test_a_model_change_holds_from_the_next_turn_on(socket_dir: Path) -> None:
    async with working(socket_dir, [text("ok")]) as w:
        await w.host.mail("one")
        await w.host.wait_for_end()
        w.host.model = OTHER_MODEL
        await w.host.mail("two")
        await w.host.wait_for_end(2)
        assert [request.model for request in w.model.turns] == [MODEL, OTHER_MODEL]
        assert len(w.host.hellos) == 1
        assert '"body": "one"' in w.model.turns[-1].all_text, "the conversation went on"


async def test_settings_hold_from_the_next_turn_on(socket_dir: Path) -> None:
    script = [
        tool("Bash", command="touch first"),
        text("ok"),
        tool("Bash", command="touch second"),
        text("ok"),
    ]
    async with working(socket_dir, script) as w:
        await w.host.mail("one")
        await w.host.wait_for_end()
        await w.host.change_settings(allowedBash=["touch *"], prompt="You like files.")
        await w.host.mail("two")
        await w.host.wait_for_end(2)
        assert not (w.workspace / "first").exists()
        assert (w.workspace / "second").exists()
        assert "You like files." not in w.model.turns[0].system_text
        assert "You like files." in w.model.turns[-1].system_text
        assert '"body": "one"' in w.model.turns[-1].all_text, "the conversation went on"


async def test_the_proxy_comes_and_goes_with_the_list(socket_dir: Path) -> None:
    tell = "echo $http_proxy $HTTPS_PROXY $no_proxy > "
    script = [
        *(tool("Bash", command=f"{tell}none"), text("ok")),
        *(tool("Bash", command=f"{tell}some"), text("ok")),
        *(tool("Bash", command=f"{tell}gone"), text("ok")),
    ]
    async with working(socket_dir, script) as w:
        await w.host.change_settings(allowedBash=["*"])
        await w.host.mail("one")
        await w.host.wait_for_end()
        await w.host.change_settings(egress={"allow": ["www.example:443"]})
        await w.host.mail("two")
        await w.host.wait_for_end(2)
        await w.host.change_settings(egress={"allow": []})
        await w.host.mail("three")
        await w.host.wait_for_end(3)
        assert (w.workspace / "none").read_text() == "\n"
        http, https, direct = (w.workspace / "some").read_text().split()
        assert http == https
        assert re.fullmatch(r"http://127\.0\.0\.1:[0-9]+", http)
        assert direct == "127.0.0.1,localhost,::1"
        assert (w.workspace / "gone").read_text() == "\n"
        assert '"body": "one"' in w.model.turns[-1].all_text, "the conversation went on"


async def test_a_new_session_knows_nothing_of_before(socket_dir: Path) -> None:
    async with working(socket_dir, [text("ok")]) as w:
        await w.host.mail("one")
        first = await w.host.wait_for_end()
        await w.host.push("new_session")
        await w.host.mail("two")
        second = await w.host.wait_for_end(2)
        assert '"body": "one"' not in w.model.turns[-1].all_text
        assert first.end["session"] != second.end["session"]


async def test_a_restarted_harness_goes_on_with_the_conversation(socket_dir: Path) -> None:
    async with working(socket_dir, [text("ok")]) as w:
        await w.host.mail("one")
        await w.host.wait_for_end()
    async with working(socket_dir, [text("ok")]) as w:
        await w.host.mail("two")
        await w.host.wait_for_end()
        assert '"body": "one"' in w.model.turns[-1].all_text


async def test_an_idle_claude_is_let_go_and_comes_back(socket_dir: Path) -> None:
    async with working(socket_dir, [text("ok")], options={"idle_release": 0.3}) as w:
        await w.host.mail("one")
        await w.host.wait_for_end()
        await wait_for(lambda: not claude_runs(w), 10, "the process to be released")
        await w.host.mail("two")
        await w.host.wait_for_end(2)
        assert '"body": "one"' in w.model.turns[-1].all_text
