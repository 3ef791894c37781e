"""Chooses the next reply: replays the rules over a conversation up to what has been done already.

All mail of a wake is handled in order. Nothing is remembered between requests: the calls found in
the conversation are matched off, one by one, against the calls that the rules' steps make.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from hyperhive.demo import chores, matching, templates
from hyperhive.demo.conversation import Conversation, Mail
from hyperhive.demo.rules import Failure, Rule, Step
from hyperhive.demo.scenario import Scenario

MAX_OUTPUT = 4_000
"""Characters of a tool result that `{{output}}` stands for."""


@dataclass(frozen=True)
class ToolUse:
    name: str
    input: Mapping[str, object]


@dataclass(frozen=True)
class Reply:
    """What the model answers: text, then tool uses; or a failure of the API."""

    text: str = ""
    uses: tuple[ToolUse, ...] = ()
    delay_ms: int = 0
    failure: Failure | None = None

    @property
    def stop_reason(self) -> str:
        return "tool_use" if self.uses else "end_turn"


ShouldFail = Callable[[str, Failure], bool]
"""Whether the step named by the text fails once more; it is counted when the answer is yes."""


def next_reply(scenario: Scenario, talk: Conversation, should_fail: ShouldFail) -> Reply:
    if (text := chores.chore_reply(talk)) is not None:
        return Reply(text)
    replay = _Replay(talk, should_fail)
    for index, mail in enumerate(talk.mail):
        before = (*talk.earlier, *talk.mail[:index])
        reply = replay.handle(scenario, mail, before)
        if reply:
            return reply
    nothing = "Done." if talk.mail else "Nothing is left to do."
    return Reply("\n".join(replay.said) or nothing, delay_ms=replay.delay_ms)


@dataclass
class _Replay:
    """One walk through the mail of a wake."""

    talk: Conversation
    should_fail: ShouldFail
    said: list[str] = field(default_factory=list)
    delay_ms: int = 0
    _position: int = 0
    """How many of the calls in the conversation are accounted for."""

    def handle(self, scenario: Scenario, mail: Mail, before: tuple[Mail, ...]) -> Reply | None:
        """The reply that this mail is due next, or None when it has been handled."""
        found = matching.find_rule(scenario.rules, self.talk, mail, before)
        if found is None:
            self.said.append(_no_rule(self.talk, mail))
            return None
        rule, captured = found
        values = {**_built_in(self.talk, mail), **captured}
        return self._follow(rule, values)

    def _follow(self, rule: Rule, values: dict[str, object]) -> Reply | None:
        first = self._position
        for number, step in enumerate(rule.steps):
            done = self.talk.called[first : self._position]
            values["output"] = done[-1].output[:MAX_OUTPUT] if done else ""
            if not matching.step_applies(step, done, values):
                continue
            if reply := self._take(step, values, f"{self.talk.agent}/{rule.name}/{number}"):
                return reply
        return None

    def _take(self, step: Step, values: Mapping[str, object], key: str) -> Reply | None:
        if step.calls and self._position < len(self.talk.called):
            self._position += len(step.calls)
            self.said, self.delay_ms = [], 0
            return None
        if step.fail:
            ahead = self._position >= len(self.talk.called)
            return Reply(failure=step.fail) if ahead and self.should_fail(key, step.fail) else None
        self.delay_ms = max(self.delay_ms, step.delay_ms)
        if step.say:
            self.said.append(templates.fill_text(step.say, values))
        if not step.calls:
            return None
        return Reply("\n".join(self.said), tuple(_uses(step, values)), self.delay_ms)


def _uses(step: Step, values: Mapping[str, object]) -> Iterator[ToolUse]:
    for call in step.calls:
        yield ToolUse(
            call.tool, {name: templates.fill(item, values) for name, item in call.input.items()}
        )


def _built_in(talk: Conversation, mail: Mail) -> dict[str, object]:
    about = {"agent": talk.agent, "role": talk.role, "from": mail.sender, "body": mail.body}
    number = {} if mail.id is None else {"id": mail.id}
    return {**about, **number, **{f"event.{name}": item for name, item in mail.event.items()}}


def _no_rule(talk: Conversation, mail: Mail) -> str:
    who = talk.agent or "an agent without a name"
    return (
        f"The scripted model has no rule for this: {who} got {mail.kind or 'a prompt'} "
        f"from {mail.sender or 'nobody'}: {mail.body[:200]}"
    )
