"""Serves the scripted model: `scripted_model.py SCENARIO PORT`, on loopback until it is ended."""  # noqa: INP001 - a program, not part of a package

import asyncio
import sys
from pathlib import Path

from hyperhive.demo import model, scenario


async def main(path: str, port: str) -> None:
    async with model.serve(scenario.load(Path(path)), port=int(port)):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
