"""What the SDK learns of a Claude Code process. Real programs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from claude_agent_sdk import ProcessError

from hyperhive.harness.session_process import ClaudeProcess
from hyperhive.harness.session_transport import ClaudeTransport


async def started(code: str) -> ClaudeTransport:
    argv = [sys.executable, "-I", "-S", "-c", code]
    process = ClaudeProcess(argv, Path("/"), {"PATH": os.environ["PATH"]})
    await process.start()
    return ClaudeTransport(process)


async def test_carries_messages_both_ways_until_the_end_of_the_input() -> None:
    transport = await started("import sys; sys.stdout.write(sys.stdin.read())")
    await transport.connect()
    assert transport.is_ready()
    await transport.write('{"a": 1}\n')
    await transport.end_input()
    assert [message async for message in transport.read_messages()] == [{"a": 1}]
    assert not transport.is_ready()
    await transport.close()


async def test_a_failed_process_is_an_error_with_its_status_and_last_words() -> None:
    transport = await started("import sys; print('{}'); sys.exit('no licence')")
    messages = transport.read_messages()
    assert await anext(messages) == {}
    with pytest.raises(ProcessError) as caught:
        await anext(messages)
    await transport.close()
    assert caught.value.exit_code == 1
