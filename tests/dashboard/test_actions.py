"""Every form: what it does, with and without script, and what it says when it is wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from hyperhive.hive.mail import OPERATOR_SENDER
from hyperhive.hive.ports import Transaction
from hyperhive.hive.records import OPERATOR_ID, Hold
from tests.support.posting import plain, post
from tests.support.swarm import Swarm

# --- what each does ---


async def test_an_answer_joins_the_choices_and_the_words(
    working: Swarm, browser: aiohttp.ClientSession
) -> None:
    data = [("choice", "0"), ("choice", "1"), ("text", "and\r\nmore")]
    status, answer = await post(browser, "/answer-question/1", data)
    assert (status, answer["result"]) == (200, "Question 1 of manager is answered.")
    question = await working.hive.store.read(lambda tx: tx.questions.get(1))
    assert question is not None
    assert (question.state, question.answer) == ("answered", "red, green, dark, and\nmore")


async def test_only_the_first_answer_counts(working: Swarm, browser: aiohttp.ClientSession) -> None:
    await working.hive.questions.answer(OPERATOR_SENDER, 1, "blue")
    status, answer = await post(browser, "/answer-question/1", {"text": "late"})
    assert status == 409
    assert answer["error"]["code"] == "already_resolved"
    assert answer["error"]["resolution"] == "answered"


async def test_one_of_a_single_choice(working: Swarm, browser: aiohttp.ClientSession) -> None:
    asked = await working.ask("alice", "Yes?", options=("yes", "no"))
    path = f"/answer-question/{asked}"
    status, answer = await post(browser, path, [("choice", "0"), ("choice", "1")])
    assert (status, answer["error"]["field"]) == (400, "choice")
    status, _ = await post(browser, path, {"choice": "none", "text": "perhaps"})
    assert status == 200
    question = await working.hive.store.read(lambda tx: tx.questions.get(asked))
    assert question is not None
    assert question.answer == "perhaps"


async def test_a_question_between_agents_may_be_answered(
    working: Swarm, browser: aiohttp.ClientSession
) -> None:
    asked = await working.ask("alice", "Where?", to="manager")
    assert (await post(browser, f"/answer-question/{asked}", {"text": "here"}))[0] == 200


async def test_cancel_a_question(working: Swarm, browser: aiohttp.ClientSession) -> None:
    assert (await post(browser, "/cancel-question/1"))[0] == 200
    question = await working.hive.store.read(lambda tx: tx.questions.get(1))
    assert question is not None
    assert question.state == "cancelled"


async def test_approve_makes_the_agent_once(working: Swarm, browser: aiohttp.ClientSession) -> None:
    status, answer = await post(browser, "/approve/1", {"note": "go"})
    assert (status, answer["result"]) == (200, "Approved: spawn carol.")
    assert (await working.agent("carol")).description == "for tests"
    status, answer = await post(browser, "/approve/1", {"note": ""})
    assert (status, answer["error"]["code"]) == (409, "already_resolved")


async def test_deny_with_a_reason(working: Swarm, browser: aiohttp.ClientSession) -> None:
    status, text, path = await plain(browser, "/deny/2", {"note": "she stays"})
    assert (status, path) == (200, "/approvals/2")
    assert "Denied: destroy alice." in text
    approval = await working.hive.store.read(lambda tx: tx.approvals.get(2))
    assert approval is not None
    assert (approval.state, approval.note) == ("denied", "she stays")
    assert (await working.agent("alice")).state == "present"


@pytest.mark.parametrize(
    ("verb", "wanted", "kind"),
    [
        ("kill", "stopped", "stop"),
        ("start", "running", "start"),
        ("restart", "running", "restart"),
    ],
)
async def test_orders_to_an_agent(
    hive: Swarm, browser: aiohttp.ClientSession, verb: str, wanted: str, kind: str
) -> None:
    status, _, path = await plain(browser, f"/agents/alice/{verb}")
    assert (status, path) == (200, "/agents/alice")
    assert await orders(hive) == [(wanted, kind, "operator")]


async def orders(made: Swarm) -> list[tuple[str, str, str]]:
    agent = await made.agent("alice")
    found = await made.hive.store.read(lambda tx: tx.operations.open(agent.id))
    return [(agent.wanted, order.kind, order.actor) for order in found]


async def test_one_that_runs_is_not_started(hive: Swarm, browser: aiohttp.ClientSession) -> None:
    await hive.start("alice")
    status, answer = await post(browser, "/agents/alice/start")
    assert (status, answer["result"]) == (200, "alice runs already.")
    assert await orders(hive) == []


@pytest.mark.parametrize(
    "change",
    [
        {"wanted": "stopped"},
        {"hold": Hold("credential")},
        {"quarantined": "crashed too often"},
    ],
)
async def test_one_that_is_held_back_is_started_while_it_is_connected(
    hive: Swarm, browser: aiohttp.ClientSession, change: dict[str, Any]
) -> None:
    await hive.start("alice")
    held = replace(await hive.agent("alice"), **change)
    await hive.hive.store.write(lambda tx: tx.agents.save(held))
    status, answer = await post(browser, "/agents/alice/start")
    assert (status, answer["result"]) == (200, "alice is being started.")
    assert await orders(hive) == [("running", "start", "operator")]


async def test_destroy_keeps_the_files(working: Swarm, browser: aiohttp.ClientSession) -> None:
    status, answer = await post(browser, "/agents/alice/destroy", {"confirm": ""})
    assert (status, "go" in answer) == (200, False)
    assert (await working.agent("alice")).state == "tombstone"


async def test_purge_asks_for_the_name(working: Swarm, browser: aiohttp.ClientSession) -> None:
    wrong = {"purge": "yes", "confirm": "alicia"}
    status, answer = await post(browser, "/agents/alice/destroy", wrong)
    assert (status, answer["error"]["field"]) == (400, "confirm")
    assert (await working.agent("alice")).state == "present"
    right = {"purge": "yes", "confirm": "alice"}
    status, answer = await post(browser, "/agents/alice/destroy", right)
    assert (status, answer["go"].startswith("/?result=")) == (200, True)
    assert (await working.agent("alice")).state == "purging"


async def test_a_destroyed_agent_is_revived(working: Swarm, browser: aiohttp.ClientSession) -> None:
    assert (await post(browser, "/agents/alice/revive"))[0] == 409
    await post(browser, "/agents/alice/destroy", {"confirm": ""})
    status, answer = await post(browser, "/agents/alice/revive")
    assert (status, answer["result"]) == (200, "alice is back and being started.")
    assert (await working.agent("alice")).state == "present"


async def test_the_manager_stays(working: Swarm, browser: aiohttp.ClientSession) -> None:
    status, answer = await post(browser, "/agents/manager/destroy", {"confirm": ""})
    assert (status, answer["error"]["code"]) == (400, "invalid_field")


async def test_a_model_is_set_and_taken_back(
    working: Swarm, browser: aiohttp.ClientSession
) -> None:
    assert (await post(browser, "/agents/alice/model", {"model": "small"}))[0] == 200
    assert (await working.agent("alice")).model_override == "small"
    assert (await post(browser, "/agents/alice/model", {"model": ""}))[0] == 200
    assert (await working.agent("alice")).model_override is None


@pytest.mark.parametrize(
    ("path", "push"), [("cancel-turn", "cancel"), ("new-session", "new_session")]
)
async def test_hints_go_down_the_link(
    working: Swarm, browser: aiohttp.ClientSession, path: str, push: str
) -> None:
    instance = await working.start("alice")
    await working.send("manager", "alice", "work")
    await working.begin("alice", instance)
    assert (await post(browser, f"/agents/alice/{path}"))[0] == 200
    assert working.pushes == [("alice", push)]
    audit = await working.hive.store.read(lambda tx: tx.audit.recent(1))
    assert [(e.actor, e.action, e.subject) for e in audit] == [
        ("operator", f"agent.{push}", "alice")
    ]
    working.linked.clear()
    status, answer = await post(browser, f"/agents/alice/{path}")
    assert (status, answer["error"]["code"]) == (409, "conflict")


async def test_without_a_turn_there_is_none_to_cancel(
    working: Swarm, browser: aiohttp.ClientSession
) -> None:
    status, answer = await post(browser, "/agents/alice/cancel-turn")
    assert (status, answer["result"]) == (200, "alice has no turn to cancel.")
    assert working.pushes == []
    assert (await post(browser, "/agents/nobody/cancel-turn"))[0] == 404


async def test_a_message_is_sent_once_however_often_the_form_is(
    hive: Swarm, browser: aiohttp.ClientSession
) -> None:
    form = {"to": "alice", "body": "hello", "key": "key-1"}
    first = await post(browser, "/send", form)
    again = await post(browser, "/send", form)
    assert first[0] == again[0] == 200
    assert first[1]["result"] == again[1]["result"] == "Sent to alice."
    assert first[1]["key"] not in ("key-1", again[1]["key"])
    assert await flow(hive) == [("operator", "alice", "hello")]


async def test_another_message_under_a_used_key_gets_a_new_key(
    hive: Swarm, browser: aiohttp.ClientSession
) -> None:
    await post(browser, "/send", {"to": "alice", "body": "hello", "key": "key-1"})
    status, answer = await post(browser, "/send", {"to": "alice", "body": "hi", "key": "key-1"})
    assert (status, answer["error"]["code"]) == (409, "conflict")
    again = {"to": "alice", "body": "hi", "key": answer["key"]}
    assert (await post(browser, "/send", again))[0] == 200
    assert [body for *_, body in await flow(hive)] == ["hi", "hello"]


async def test_a_message_to_everyone(hive: Swarm, browser: aiohttp.ClientSession) -> None:
    status, answer = await post(browser, "/send", {"to": "*", "body": "x", "key": "k"})
    assert (status, answer["result"]) == (200, "Sent to manager, alice.")


async def test_an_agent_is_made_once_however_often_the_form_is_sent(
    hive: Swarm, browser: aiohttp.ClientSession
) -> None:
    form = {"name": "dora", "description": "d", "key": "key-1"}
    assert [(await post(browser, "/request-spawn", form))[0] for _ in range(2)] == [200, 200]
    agent = await hive.agent("dora")
    assert len(await hive.hive.store.read(lambda tx: tx.operations.open(agent.id))) == 1
    taken = {**form, "key": "key-2"}
    status, answer = await post(browser, "/request-spawn", taken)
    assert (status, answer["error"]["code"]) == (409, "conflict")


async def test_mail_is_marked_as_read(hive: Swarm, browser: aiohttp.ClientSession) -> None:
    await hive.send("alice", "operator", "done")
    assert await hive.unread() == 1
    assert (await post(browser, "/mark-read"))[0] == 200
    assert await hive.unread() == 0


async def flow(made: Swarm) -> list[tuple[str, str, str]]:
    def query(tx: Transaction) -> list[tuple[str, str, str]]:
        found = tx.messages.recent(OPERATOR_ID)
        return [(d.message.sender, d.recipient, d.message.body) for d in found]

    return await made.hive.store.read(query)


# --- without script ---


async def test_a_result_survives_the_redirect_and_a_reload(
    hive: Swarm, browser: aiohttp.ClientSession
) -> None:
    data = {"to": "alice", "body": "hello", "key": "k"}
    async with browser.post("/send", data=data, allow_redirects=False) as answer:
        assert answer.status == 303
        location = answer.headers["Location"]
    for _ in range(2):
        async with browser.get(location) as page:
            assert "Sent to alice." in await page.text()
    async with browser.get("/?result=You+are+hacked") as page:
        assert "hacked" not in await page.text()


async def test_a_refused_form_comes_back_with_what_was_typed(
    hive: Swarm, browser: aiohttp.ClientSession
) -> None:
    data = {"to": "nobody", "body": "half <written>", "key": "key-7"}
    status, text, path = await plain(browser, "/send", data)
    assert (status, path) == (403, "/send")
    assert "half &lt;written&gt;</textarea>" in text
    assert "there is no agent &#39;nobody&#39;" in text
    assert 'value="key-7"' in text  # nothing was stored under it: the next attempt may use it


async def test_a_refused_choice_comes_back_chosen(
    working: Swarm, browser: aiohttp.ClientSession
) -> None:
    data = [("choice", "2"), ("text", "x" * 65_537)]
    status, text, _ = await plain(browser, "/answer-question/1", data)
    assert status == 400
    assert 'value="2" checked' in text
    assert "text: must have at most 65536" in text


async def test_a_form_about_something_that_is_gone_is_an_error_page(
    hive: Swarm, browser: aiohttp.ClientSession
) -> None:
    status, text, _ = await plain(browser, "/agents/nobody/start")
    assert status == 404
    assert "there is no agent &#39;nobody&#39;" in text
