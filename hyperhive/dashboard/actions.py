"""The posts: each reads one form, makes one call into the rules, and says what came of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from aiohttp import web

from hyperhive.dashboard import forms, pages
from hyperhive.dashboard.already import has_turn, runs_freely
from hyperhive.dashboard.answers import error_answer, explained, json_answer, wants_json
from hyperhive.dashboard.content import find_agent
from hyperhive.dashboard.forms import read_form
from hyperhive.dashboard.guard import Handler
from hyperhive.dashboard.options import HIVE, OPTIONS
from hyperhive.dashboard.pages import Page, path_id, path_name
from hyperhive.dashboard.render import RESULTS, Failed, Fields, new_key
from hyperhive.hive.agents import Push
from hyperhive.hive.mail import OPERATOR_SENDER
from hyperhive.hive.records import Question
from hyperhive.protocol import verbs
from hyperhive.protocol.errors import Conflict, HiveError, InvalidField, NotFound
from hyperhive.protocol.schema import parse

F = TypeVar("F")


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a form. `location` is the page to look at it; scripts go there only when the
    page they are on is over (`leave`)."""

    text: str
    location: str = "/"
    leave: bool = False


Act = Callable[[web.Request, F], Awaitable[Done]]


def post(form: type[F], act: Act[F], page: Page) -> Handler:
    """The handler of one form: with or without script, it gets an answer it can show."""

    async def handler(request: web.Request) -> web.StreamResponse:
        fields: Fields = {}
        try:
            fields = await read_form(request)
            done = await act(request, parse(form, fields))
        except HiveError as error:
            return await refused(request, page, Failed(request.path, fields, error))
        return answer_done(request, done)

    return handler


def answer_done(request: web.Request, done: Done) -> web.Response:
    location = f"{done.location}?result={request.app[RESULTS].add(done.text)}"
    if wants_json(request):
        go = {"go": location} if done.leave else {}
        return json_answer({"result": done.text, "key": new_key(), **go})
    return web.Response(status=303, headers={"Location": location})


async def refused(request: web.Request, page: Page, failed: Failed) -> web.Response:
    if wants_json(request):
        fresh = {"key": failed.key} if isinstance(failed.error, Conflict) else {}
        answer = {"error": failed.error.to_json(), **fresh}
        return explained(json_answer(answer, failed.error.status), failed.error)
    try:
        return explained(await page(request, failed), failed.error)
    except HiveError:  # what the form was about is gone
        return error_answer(request, failed.error)


# --- questions ---


async def answer_question(request: web.Request, form: forms.Answer) -> Done:
    hive, question_id = request.app[HIVE], path_id(request)
    question = await hive.store.read(lambda tx: tx.questions.get(question_id))
    if question is None:
        raise NotFound(f"there is no question {question_id}")
    answer = parse(verbs.Answer, {"id": question_id, "answer": _answer_text(question, form)})
    await hive.questions.answer(OPERATOR_SENDER, question_id, answer.answer)
    return Done(f"Question {question_id} of {question.asker} is answered.")


def _answer_text(question: Question, form: forms.Answer) -> str:
    chosen = [int(choice) for choice in form.choice if choice != "none"]
    if any(index >= len(question.options) for index in chosen):
        raise InvalidField("choice", "is not an option of this question")
    if len(chosen) > 1 and not question.multi:
        raise InvalidField("choice", "only one option may be chosen")
    parts = [question.options[index] for index in chosen]
    if form.text.strip():
        parts.append(form.text)
    if not parts:
        raise InvalidField("text", "choose an option or write an answer")
    return ", ".join(parts)


async def cancel_question(request: web.Request, _: forms.Nothing) -> Done:
    question_id = path_id(request)
    question = await request.app[HIVE].questions.cancel(OPERATOR_SENDER, question_id)
    return Done(f"Question {question_id} of {question.asker} is cancelled.")


# --- agents ---


async def start(request: web.Request, _: forms.Nothing) -> Done:
    hive, name = request.app[HIVE], path_name(request)
    if await hive.store.read(lambda tx: runs_freely(hive, tx, name)):
        return Done(f"{name} runs already.", f"/agents/{name}")
    await hive.agents.start(name)
    return Done(f"{name} is being started.", f"/agents/{name}")


async def kill(request: web.Request, _: forms.Nothing) -> Done:
    name = path_name(request)
    await request.app[HIVE].agents.kill(name)
    return Done(f"{name} is being stopped.", f"/agents/{name}")


async def restart(request: web.Request, _: forms.Nothing) -> Done:
    name = path_name(request)
    await request.app[HIVE].agents.restart(name)
    return Done(f"{name} is being restarted.", f"/agents/{name}")


async def destroy(request: web.Request, form: forms.Destroy) -> Done:
    name, purge = path_name(request), form.purge is not None
    if purge and form.confirm != name:
        raise InvalidField("confirm", f"type the name, {name}, to delete its files for good")
    await request.app[HIVE].agents.destroy(name, purge)
    if purge:
        return Done(f"{name} is being removed with its files.", leave=True)
    return Done(f"{name} is being destroyed; its files are kept.", f"/agents/{name}")


async def revive(request: web.Request, _: forms.Nothing) -> Done:
    name = path_name(request)
    await request.app[HIVE].agents.revive(name)
    return Done(f"{name} is back and being started.", f"/agents/{name}")


async def model(request: web.Request, form: forms.Model) -> Done:
    name = path_name(request)
    await request.app[HIVE].agents.set_model(name, form.model or None)
    chosen = f"model {form.model}" if form.model else "its configured model"
    return Done(f"{name} uses {chosen} from its next turn.", f"/agents/{name}")


async def cancel_turn(request: web.Request, _: forms.Nothing) -> Done:
    name = path_name(request)
    if not await request.app[HIVE].store.read(lambda tx: has_turn(tx, name)):
        return Done(f"{name} has no turn to cancel.", f"/agents/{name}")
    await _push(request, "cancel")
    return Done(f"{name} was told to end its turn.", f"/agents/{name}")


async def new_session(request: web.Request, _: forms.Nothing) -> Done:
    name = await _push(request, "new_session")
    return Done(f"{name} begins a new session at its next turn.", f"/agents/{name}")


async def _push(request: web.Request, push: Push) -> str:
    name = path_name(request)
    await request.app[HIVE].store.read(lambda tx: find_agent(tx, name))
    if not request.app[OPTIONS].push(name, push):
        raise Conflict(f"{name} is not connected now; start it first")
    await request.app[HIVE].agents.record_push(name, push)
    return name


async def request_spawn(request: web.Request, form: forms.Spawn) -> Done:
    hive, of = request.app[HIVE], (form.name, form.description)
    if form.module.strip():
        await hive.need_deploying().proposals.spawn(*of, form.module, form.key)
    else:
        await hive.agents.spawn(*of, key=form.key)
    return Done(f"{form.name} is being made.", f"/agents/{form.name}")


# --- mail ---


async def send(request: web.Request, form: forms.Send) -> Done:
    message = verbs.Send(to=form.to, body=form.body, key=form.key)
    sent = await request.app[HIVE].broker.send(OPERATOR_SENDER, message)
    return Done(_sent_text(sent["results"]))


def _sent_text(results: list[dict[str, Any]]) -> str:
    by_status: dict[str, list[str]] = {}
    for result in results:
        by_status.setdefault(result["status"], []).append(result["to"])
    words = {
        "accepted": "Sent to {}.",
        "queue_full": "Not sent to {}: too much unread mail.",
        "undeliverable": "Kept for {}, who cannot receive it now.",
    }
    texts = [words[status].format(", ".join(names)) for status, names in by_status.items()]
    return " ".join(texts) or "There is no agent to send to."


async def mark_read(request: web.Request, _: forms.Nothing) -> Done:
    await request.app[HIVE].broker.mark_read()
    return Done("All mail is marked as read.")


POSTS: list[tuple[str, Handler]] = [
    ("/agents/{name}/cancel-turn", post(forms.Nothing, cancel_turn, pages.agent)),
    ("/agents/{name}/destroy", post(forms.Destroy, destroy, pages.agent)),
    ("/agents/{name}/kill", post(forms.Nothing, kill, pages.agent)),
    ("/agents/{name}/model", post(forms.Model, model, pages.agent)),
    ("/agents/{name}/new-session", post(forms.Nothing, new_session, pages.agent)),
    ("/agents/{name}/restart", post(forms.Nothing, restart, pages.agent)),
    ("/agents/{name}/revive", post(forms.Nothing, revive, pages.agent)),
    ("/agents/{name}/start", post(forms.Nothing, start, pages.agent)),
    ("/answer-question/{id}", post(forms.Answer, answer_question, pages.swarm)),
    ("/cancel-question/{id}", post(forms.Nothing, cancel_question, pages.swarm)),
    ("/mark-read", post(forms.Nothing, mark_read, pages.swarm)),
    ("/request-spawn", post(forms.Spawn, request_spawn, pages.swarm)),
    ("/send", post(forms.Send, send, pages.swarm)),
]
