"""The demo's scenario where agents are built: what the manager makes of each turn of events."""

from __future__ import annotations

import json

from hyperhive.demo.conversation import Called, Conversation, Mail
from hyperhive.demo.player import Reply, next_reply
from hyperhive.demo.scenario import SCENARIOS, load

SWARM = load(SCENARIOS / "swarm.yaml")
RESULT = Mail("total: 43 kg\nsouth 15\nnorth 12", 7, "clerk", "agent")
CHECKED = Mail("awk says 43 kg too", 9, "clerk", "agent")
SENT = Called("mcp__hyperhive__send", "{}")
NEW = Called("Bash", "9655a4f as declared in the host's configuration")
OLD = Called("Bash", "5566aaf Allow awk and use sonnet")
READ, WRITTEN = Called("Read", "{ ... }: { }"), Called("Write", "it has been updated")
COMMITTED = Called("Bash", "[main e7df1cf] Allow awk and use sonnet\n 1 file changed")


def event(name: str, **fields: object) -> Mail:
    return Mail(json.dumps({"event": name, "agent": "clerk", **fields}), 11, "system", "system")


def reply(mail: Mail, *called: Called, earlier: tuple[Mail, ...] = ()) -> Reply:
    talk = Conversation("manager", "manager", earlier, (mail,), called)
    return next_reply(SWARM, talk, lambda key, failure: False)


def last_word(found: Reply) -> str:
    (use,) = found.uses
    assert (use.name, use.input["to"]) == ("mcp__hyperhive__send", "operator")
    body = str(use.input["body"])
    assert body.startswith("That is all.")
    return body


def test_the_change_is_written_committed_and_proposed() -> None:
    (write,) = reply(RESULT, SENT, NEW, READ).uses
    assert write.name == "Write"
    assert 'hyperhive.model = "sonnet";' in str(write.input["content"])
    assert '"awk *"' in str(write.input["content"])
    (commit,) = reply(RESULT, SENT, NEW, READ, WRITTEN).uses
    assert "git -C agents/clerk commit" in str(commit.input["command"])
    (asked,) = reply(RESULT, SENT, NEW, READ, WRITTEN, COMMITTED).uses
    assert asked.name == "mcp__hyperhive__request_apply_commit"
    assert (asked.input["agent"], asked.input["commit_ref"]) == ("clerk", "e7df1cf")


def test_what_fails_on_the_way_is_told() -> None:
    no_clone = Called("Bash", "fatal: cannot change to 'agents/clerk'", failed=True)
    assert "here it stays as it is" in last_word(reply(RESULT, SENT, no_clone))
    assert "has awk already" in last_word(reply(RESULT, SENT, OLD))
    failed = Called("Bash", "nothing to commit", failed=True)
    assert "nothing to commit" in last_word(reply(RESULT, SENT, NEW, READ, WRITTEN, failed))
    refused = Called("mcp__hyperhive__request_apply_commit", "stale base: ...", failed=True)
    done = (SENT, NEW, READ, WRITTEN, COMMITTED, refused)
    assert "stale base" in last_word(reply(RESULT, *done))


def test_nothing_is_asked_of_the_clerk_before_its_first_work() -> None:
    assert not reply(event("rebuilt", ok=True)).uses
    (sent,) = reply(event("rebuilt", ok=True), earlier=(RESULT,)).uses
    assert sent.input["to"] == "clerk"


def test_the_broken_change_is_proposed_once() -> None:
    (write,) = reply(CHECKED, earlier=(RESULT,)).uses
    assert "/no/such/calculator" in str(write.input["content"])
    other = Mail("awk says 44 kg too", 13, "clerk", "agent")
    assert [use.name for use in reply(other, earlier=(CHECKED,)).uses] == ["mcp__hyperhive__send"]


def test_why_it_was_taken_back_is_told() -> None:
    back = event("rolled_back", ok=False, tag="failed/5", note="MCP server gone\nmore")
    (look,) = reply(back, earlier=(RESULT, CHECKED)).uses
    assert str(look.input["command"]).endswith(" failed/5")
    told = last_word(reply(back, Called("Bash", "tag failed/5"), earlier=(RESULT, CHECKED)))
    assert "awk says 43 kg too" in told
    assert "(MCP server gone)" in told
    assert "failed/5" in told


def test_a_change_that_is_denied_ends_the_play() -> None:
    denied = event("approval_resolved", kind="apply_commit", status="denied", note="too dear")
    assert "denied: too dear" in last_word(reply(denied, earlier=(RESULT,)))
