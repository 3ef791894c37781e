"""Arguments for every verb, each field spelled out."""

from typing import Any

from hyperhive.protocol.verbs import VERBS

INSTANCE = "instance-of-a-test"

GOOD: dict[str, dict[str, Any]] = {
    "send": {"to": "bob", "body": "hi", "in_reply_to": None, "ttl_seconds": 60, "key": "k"},
    "recv": {
        "wait_seconds": 0,
        "max": 1,
        "turn": None,
        "instance": INSTANCE,
        "ack": [],
        "key": "k",
    },
    "ask": {
        "question": "why?",
        "options": ["a"],
        "multi": False,
        "ttl_seconds": 60,
        "to": "bob",
        "key": "k",
    },
    "ask_operator": {
        "question": "why?",
        "options": ["a"],
        "multi": False,
        "ttl_seconds": 60,
        "key": "k",
    },
    "answer": {"id": 1, "answer": "so"},
    "cancel": {"id": 1},
    "whoami": {},
    "open_threads": {},
    "list_agents": {},
    "request_spawn": {"name": "carol", "description": "", "module": None, "key": "k"},
    "request_apply_commit": {
        "agent": "bob",
        "commit_ref": "c" * 40,
        "description": "",
        "key": "k",
    },
    "request_destroy": {"agent": "bob", "purge": False, "reason": "", "key": "k"},
    "start": {"agent": "bob"},
    "kill": {"agent": "bob"},
    "restart": {"agent": "bob"},
    "update": {"agent": "bob"},
    "get_logs": {"agent": "bob", "lines": 10},
    "turn_begin": {"turn": "turn-0001"},
    "turn_events": {"turn": "turn-0001", "first": 1, "events": [{"kind": "text", "text": "x"}]},
    "turn_end": {"turn": "turn-0001", "result": "clean", "error": "", "session": ""},
    "self_check": {"ok": True, "problem": "", "settings_version": 1},
}
POSTED = [name for name, verb in VERBS.items() if not verb.link_only]
MANAGED = [name for name, verb in VERBS.items() if verb.capabilities]
