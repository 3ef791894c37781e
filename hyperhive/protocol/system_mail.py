"""What mail of the hive itself says, for people."""

from __future__ import annotations

import json


def system_facts(kind: str, body: str) -> dict[str, str] | None:
    """The facts of a helper event as name -> text, `event` first; None for any other body."""
    if kind != "system":
        return None
    try:
        facts = json.loads(body)
    except ValueError:
        return None
    if not isinstance(facts, dict) or "event" not in facts:
        return None
    shown = {name: value for name, value in facts.items() if value not in (None, "", [])}
    return {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in shown.items()
    }
