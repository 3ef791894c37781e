"""The rows of one connection, as the rules see them inside a transaction."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from hyperhive.store.agents import Agents
from hyperhive.store.audit import Audit, Logins, Meta
from hyperhive.store.deploys import Deploys
from hyperhive.store.events import Events
from hyperhive.store.keys import Keys
from hyperhive.store.messages import Messages
from hyperhive.store.requests import Approvals, Operations, Questions
from hyperhive.store.retention import Retention
from hyperhive.store.turns import Turns, UsageSums


@dataclass(frozen=True, slots=True)
class Rows:
    """Implements the port `Transaction`; one serves all transactions of its connection."""

    agents: Agents
    keys: Keys
    messages: Messages
    turns: Turns
    usage: UsageSums
    questions: Questions
    approvals: Approvals
    operations: Operations
    deploys: Deploys
    events: Events
    audit: Audit
    logins: Logins
    meta: Meta
    retention: Retention


def rows_of(connection: sqlite3.Connection) -> Rows:
    return Rows(
        Agents(connection),
        Keys(connection),
        Messages(connection),
        Turns(connection),
        UsageSums(connection),
        Questions(connection),
        Approvals(connection),
        Operations(connection),
        Deploys(connection),
        Events(connection),
        Audit(connection),
        Logins(connection),
        Meta(connection),
        Retention(connection),
    )
