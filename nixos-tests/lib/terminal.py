"""Types into an agent's terminal as a browser does: `terminal.py LOGIN-LINK AGENT LINE`.

Prints what the terminal shows until the line's command has ended.
"""  # noqa: INP001 - a program, not part of a package

import asyncio
import re
import sys
from urllib.parse import urlsplit

from aiohttp import ClientSession, ClientWebSocketResponse, CookieJar, WSMsgType

SECONDS = 60
END = "shown-to-its-end"


async def main(link: str, agent: str, line: str) -> None:
    parts = urlsplit(link)
    origin = f"{parts.scheme}://{parts.netloc}"
    cookies = CookieJar(unsafe=True)  # of an address of numbers, too
    async with ClientSession(origin, headers={"Origin": origin}, cookie_jar=cookies) as browser:
        async with browser.post("/login", data={"code": parts.fragment}) as answer:
            answer.raise_for_status()
        async with asyncio.timeout(SECONDS), browser.ws_connect(f"/agents/{agent}/terminal") as ws:
            await show(ws, r"[$#]\S* ?$")  # what is typed before the prompt is thrown away
            await ws.send_bytes(f"{line}; echo {END[:4]}''{END[4:]}\n".encode())
            sys.stdout.write(await show(ws, END))


async def show(socket: ClientWebSocketResponse, until: str) -> str:
    """What the terminal shows until the pattern is found in it."""
    shown = ""
    while not re.search(until, shown):
        message = await socket.receive()
        if message.type is WSMsgType.BINARY:
            shown += message.data.decode(errors="replace")
        elif message.type is not WSMsgType.TEXT:  # which acknowledges what was typed
            sys.exit(f"the terminal ended: {message.extra}; it had shown {shown!r}")
    return shown


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
