"""The real Claude Code is led through whole turns by a scenario."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from claude_agent_sdk import (
    AssistantMessage,
    ClaudeAgentOptions,
    ClaudeSDKClient,
    HookMatcher,
    ResultMessage,
    TextBlock,
    create_sdk_mcp_server,
    tool,
)

from hyperhive.demo import model
from hyperhive.demo.scenario import Pace
from tests.demo.talk import SENTENCE, event, mail, rules
from tests.support.net import free_port

pytestmark = pytest.mark.claude

AT_ONCE = Pace(interval_ms=0)

SCENARIO = rules("""
- name: work
  when: {role: worker, contains: work, matches: 'word (?P<word>\\w+)'}
  steps:
    - say: Here goes.
      tool: Bash
      input: {command: 'echo {{word}} > made.txt; cat made.txt'}
      also: [{tool: Bash, input: {command: 'echo beside'}}]
    - tool: Bash
      input: {command: forbidden}
    - when: {failed: true, output: 'because (?P<why>\\w+)'}
      tool: mcp__hyperhive__send
      input: {to: '{{from}}', number: '{{id}}', body: '{{word}} {{why}}'}
    - say: 'Told {{from}}: {{output}}'
- name: recalled
  when: {event: started, earlier: [{kind: operator, matches: 'word (?P<word>\\w+)'}]}
  steps: [{say: 'The word was {{word}}.'}]
- name: shaky
  when: {contains: shaky}
  steps: [{fail: {kind: overloaded}}, {fail: {kind: cut}}, {say: survived}]
""")


class Claude:
    """A Claude Code process in a directory of its own, asked turn by turn."""

    def __init__(self, client: ClaudeSDKClient, sent: list[dict[str, object]]) -> None:
        self.client = client
        self.sent = sent

    async def wake(self, *messages: dict[str, object]) -> tuple[list[str], ResultMessage]:
        return await self.turn(f"{SENTENCE}\n\n{json.dumps({'messages': messages})}")

    async def turn(self, prompt: str) -> tuple[list[str], ResultMessage]:
        """The texts of the model, and the result."""
        await self.client.query(prompt)
        texts: list[str] = []
        async for message in self.client.receive_response():
            if isinstance(message, AssistantMessage):
                texts += [block.text for block in message.content if isinstance(block, TextBlock)]
            elif isinstance(message, ResultMessage):
                return texts, message
        raise AssertionError("the turn has no result")


async def _decide(given: Any, use: str | None, context: Any) -> Any:
    refused = given["tool_input"].get("command") == "forbidden"
    decision = {
        "hookEventName": "PreToolUse",
        "permissionDecision": "deny" if refused else "allow",
        "permissionDecisionReason": "because unlisted" if refused else "listed",
    }
    return {"hookSpecificOutput": decision}


@contextlib.asynccontextmanager
async def claude(directory: Path, url: str) -> AsyncIterator[Claude]:
    sent: list[dict[str, object]] = []

    @tool("send", "Sends.", {"to": str, "number": int, "body": str})
    async def send(arguments: dict[str, object]) -> dict[str, object]:
        sent.append(arguments)
        return {"content": [{"type": "text", "text": "sent it"}]}

    scratch = directory / "tmp"
    scratch.mkdir()
    environment = {
        "HOME": str(directory),
        "TMPDIR": str(scratch),
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": "placeholder",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    options = ClaudeAgentOptions(
        cwd=directory,
        env=environment,
        setting_sources=[],
        strict_mcp_config=True,
        system_prompt="You are an agent.\nhyperhive agent: alice, role: worker\n",
        tools=["Bash"],
        mcp_servers={"hyperhive": create_sdk_mcp_server("hyperhive", tools=[send])},
        hooks={"PreToolUse": [HookMatcher(hooks=[_decide], timeout=30)]},
        model="claude-sonnet-4-5-20250929",
    )
    client = ClaudeSDKClient(options)
    await client.connect()
    try:
        yield Claude(client, sent)
    finally:
        await client.disconnect()


async def test_a_turn_with_tools(tmp_path: Path) -> None:
    async with model.serve(SCENARIO, pace=AT_ONCE) as url, claude(tmp_path, url) as code:
        texts, result = await code.wake(mail("work on the word honey", number=7))
    assert texts == ["Here goes.", "Told operator: sent it"]
    assert (result.subtype, result.is_error) == ("success", False)
    assert (tmp_path / "made.txt").read_text() == "honey\n"
    assert code.sent == [{"to": "operator", "number": 7, "body": "honey unlisted"}]
    assert result.usage is not None
    assert result.usage["cache_read_input_tokens"] > 0
    assert (result.total_cost_usd or 0) > 0


async def test_neither_a_new_server_nor_a_compaction_makes_it_forget(tmp_path: Path) -> None:
    port = free_port()
    async with contextlib.AsyncExitStack() as stack:
        async with model.serve(SCENARIO, pace=AT_ONCE, port=port) as url:
            code = await stack.enter_async_context(claude(tmp_path, url))
            await code.wake(mail("work on the word honey", number=1))
        async with model.serve(SCENARIO, pace=AT_ONCE, port=port):
            assert (await code.wake(event("started", 2)))[0] == ["The word was honey."]
            assert not (await code.turn("/compact"))[1].is_error
            assert (await code.wake(event("started", 3)))[0] == ["The word was honey."]


async def test_failures_of_the_api_are_survived(tmp_path: Path) -> None:
    async with model.serve(SCENARIO, pace=AT_ONCE) as url, claude(tmp_path, url) as code:
        texts, result = await code.wake(mail("shaky"))
    assert (texts, result.is_error) == (["survived"], False)


async def test_an_unknown_situation_ends_the_turn(tmp_path: Path) -> None:
    async with model.serve(SCENARIO, pace=AT_ONCE) as url, claude(tmp_path, url) as code:
        (text,), result = await code.turn("dance")
    assert text.startswith("The scripted model has no rule for this: alice got a prompt")
    assert (result.is_error, result.num_turns) == (False, 1)
