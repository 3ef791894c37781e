"""`./hive bench [NAME...]`: run the benchmarks and print one table."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable

from bench import containers, durable_send, first_token, idle_links, latency, turns
from bench.result import Result

BENCHES: dict[str, Callable[[], Awaitable[list[Result]]]] = {
    "containers": containers.run,
    "durable_send": durable_send.run,
    "first_token": first_token.run,
    "idle_links": idle_links.run,
    "latency": latency.run,
    "turns": turns.run,
}


async def main(names: list[str]) -> None:
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        sys.exit(f"bench: no {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    rows = [("what : peer", "ours", "peer", "ratio", "aim", "")]
    for name in names or BENCHES:
        print(f"bench: {name} ...", file=sys.stderr)
        for r in await BENCHES[name]():
            rows.append((r.what, r.ours, r.peer, r.ratio, r.aim, "ok" if r.met else "MISSED"))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip())


asyncio.run(main(sys.argv[1:]))
