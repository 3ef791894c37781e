"""Which rule a message falls under, and which steps of it apply."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from hyperhive.demo import templates
from hyperhive.demo.conversation import Called, Conversation, Mail
from hyperhive.demo.fields import FLAGS
from hyperhive.demo.rules import MailMatch, Outcome, Rule, Step, When

MAX_SEARCHED = 4_000
"""Characters of a text that a pattern sees: on more, even a plain one can take seconds."""

Captured = dict[str, object]
"""Named groups of patterns and what they matched."""


def find_rule(
    rules: Iterable[Rule], talk: Conversation, mail: Mail, before: Sequence[Mail]
) -> tuple[Rule, Captured] | None:
    """The first rule for `mail`; `before` is what came earlier, oldest first."""
    for rule in rules:
        captured = _match_rule(rule.when, talk, mail, before)
        if captured is not None:
            return rule, captured
    return None


def step_applies(step: Step, done: Sequence[Called], values: dict[str, object]) -> bool:
    """Whether the step is taken; what its `when` captures is added to `values`."""
    if step.when:
        captured = match_outcome(step.when, done, values)
        if captured is None:
            return False
        values.update(captured)
    return not step.unless or match_outcome(step.unless, done, values) is None


def match_outcome(
    outcome: Outcome, done: Sequence[Called], values: Mapping[str, object]
) -> Captured | None:
    """What the outcome's patterns capture, or None when it does not hold."""
    captured: Captured = {}
    for name, pattern in outcome.values.items():
        if not _capture(pattern, templates.as_text(values.get(name, "")), captured):
            return None
    if (outcome.tool, outcome.failed, outcome.output) == (None, None, None):
        return captured
    last = next((call for call in reversed(done) if outcome.tool in (None, call.tool)), None)
    if last is None or outcome.failed not in (None, last.failed):
        return None
    return captured if _capture(outcome.output, last.output, captured) else None


def match_mail(match: MailMatch, mail: Mail) -> Captured | None:
    """What the match's patterns capture, or None when the mail is another one."""
    event = mail.event
    if match.sender not in (None, mail.sender) or match.kind not in (None, mail.kind):
        return None
    if match.event not in (None, event.get("event")):
        return None
    if match.contains and match.contains.casefold() not in mail.body.casefold():
        return None
    captured: Captured = {}
    for name, pattern in match.fields.items():
        if name not in event or not _capture(pattern, templates.as_text(event[name]), captured):
            return None
    return captured if _capture(match.matches, mail.body, captured) else None


def _match_rule(
    when: When, talk: Conversation, mail: Mail, before: Sequence[Mail]
) -> Captured | None:
    if when.role not in (None, talk.role) or when.agent not in (None, talk.agent):
        return None
    captured = match_mail(when, mail)
    if captured is None or not _match_earlier(when, before, captured):
        return None
    if when.times and _repeats(when, mail, before) >= when.times:
        return None
    return captured


def _match_earlier(when: When, before: Sequence[Mail], captured: Captured) -> bool:
    """Each wanted message is looked for from the newest on; the message itself has precedence."""
    for wanted in when.earlier:
        found = (match_mail(wanted, mail) for mail in reversed(before))
        newest = next((groups for groups in found if groups is not None), None)
        if newest is None:
            return False
        captured.update({name: text for name, text in newest.items() if not captured.get(name)})
    return True


def _repeats(when: When, mail: Mail, before: Sequence[Mail]) -> int:
    """How many messages matched before, not counting this one if it is delivered again."""
    matched = {
        (other.id, None if other.id else index)
        for index, other in enumerate(before)
        if not (other.id and other.id == mail.id) and match_mail(when, other) is not None
    }
    return len(matched)


def _capture(pattern: str | None, text: str, into: Captured) -> bool:
    """Search the text; groups that took no part become empty."""
    if pattern is None:
        return True
    found = re.search(pattern, text[:MAX_SEARCHED], FLAGS)
    if found:
        into.update(found.groupdict(default=""))
    return found is not None
