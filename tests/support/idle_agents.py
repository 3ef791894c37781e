"""`hyperhive` whose agents' processes do nothing: tests and measurements take their places.

Clients of any uid may use the agents' sockets.
"""

from __future__ import annotations

from hyperhive.cli import main
from hyperhive.config import RuntimeConfig
from hyperhive.local.runtime import LocalRuntime
from hyperhive.service import runtimes


def do_nothing(runtime: RuntimeConfig) -> list[str]:
    """A program that takes a harness's arguments and waits for its end."""
    return ["sh", "-c", "exec sleep 1000000", "sh"]


def let_in(self: LocalRuntime, agent: str, uid: int) -> bool:
    return True


vars(runtimes)["harness_command"] = do_nothing
LocalRuntime.peer_allowed = let_in  # type: ignore[method-assign]  # for this process alone

if __name__ == "__main__":
    main()
