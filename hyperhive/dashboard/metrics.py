"""`GET /metrics`: what can be counted, as Prometheus reads it (text format 0.0.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from aiohttp import web

from hyperhive.dashboard import content
from hyperhive.dashboard.live import STREAMS
from hyperhive.dashboard.options import HIVE

Sample = tuple[dict[str, str], float]


async def metrics(request: web.Request) -> web.Response:
    hive = request.app[HIVE]
    state = await hive.store.read(lambda tx: content.state(hive, tx))
    text = "".join(_families(state, len(request.app[STREAMS])))
    return web.Response(
        body=text.encode(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
    )


def _families(state: content.Content, streams: int) -> Iterable[str]:
    agents = state["agents"]
    states = Counter(a["state"] for a in agents)
    yield _family("agents", "Agents by state.", [({"state": s}, n) for s, n in states.items()])
    yield _family("agents_linked", "Agents whose harness is connected.", _linked(agents))
    yield _family("approvals_open", "Requests to decide.", [({}, len(state["approvals"]))])
    yield _family("questions_open", "Questions without an answer.", [({}, len(state["questions"]))])
    yield _family("operator_unread", "Unread mail of the operator.", [({}, state["unread"])])
    yield _family("dashboard_streams", "Open live pages.", [({}, streams)])
    yield _family("messages_waiting", "Undelivered mail.", _each(agents, "waiting"))
    yield _family("usd_today", "Spent since 00:00 UTC.", _today(agents, "usd"))
    yield _family("tokens_today", "Tokens since 00:00 UTC.", _today(agents, "tokens"))
    yield _family("model_requests_today", "Requests since 00:00 UTC.", _today(agents, "requests"))
    yield _family("events_total", "Events logged so far.", [({}, state["event"])], "counter")


def _linked(agents: list[content.Content]) -> list[Sample]:
    return [({}, sum(a["linked"] for a in agents))]


def _each(agents: list[content.Content], name: str) -> list[Sample]:
    return [({"agent": a["name"]}, a[name]) for a in agents]


def _today(agents: list[content.Content], name: str) -> list[Sample]:
    return [({"agent": a["name"]}, a["today"][name]) for a in agents]


def _family(name: str, about: str, samples: list[Sample], kind: str = "gauge") -> str:
    """Label values are names and states of ours: nothing in them needs escaping."""
    lines = [f"# HELP hyperhive_{name} {about}", f"# TYPE hyperhive_{name} {kind}"]
    for labels, value in samples:
        text = ",".join(f'{label}="{of}"' for label, of in labels.items())
        lines.append(f"hyperhive_{name}{{{text}}} {value}" if text else f"hyperhive_{name} {value}")
    return "\n".join(lines) + "\n"
