"""Names what an approval would do, so that a decision is about what was looked at."""

from __future__ import annotations

import hashlib
import json

from hyperhive.hive.records import Approval


def binding_digest(approval: Approval) -> str:
    """SHA-256, hexadecimal; another one as soon as anything would be done differently."""
    return hashlib.sha256(json.dumps(approval.binding, sort_keys=True).encode()).hexdigest()
