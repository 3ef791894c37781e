"""What every test script begins with: the operator's command line on a machine."""  # noqa: INP001 - text put before scripts, not part of a package

import collections.abc
import functools
import json
import re
import shlex
import time
import typing

# The driver's own names, such as Machine, are there already: modules only, and none of these.

Found = typing.TypeVar("Found")
Json = dict[str, typing.Any]

SECONDS = 300
"""For whatever builds an agent, on a slow machine."""


class Shell(typing.Protocol):
    """Of the driver's machine what is used here."""

    def execute(self, command: str) -> tuple[int, str]: ...
    def succeed(self, *commands: str) -> str: ...


class Hive:
    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def json(self, command: str) -> typing.Any:
        """What the command prints with `--json`."""
        return json.loads(self._shell.succeed(f"{command} --json"))

    def until(
        self, what: str, look: collections.abc.Callable[[], Found | None], seconds: float = SECONDS
    ) -> Found:
        """What `look` finds, once it finds something."""
        end = time.monotonic() + seconds
        while not (found := look()):
            assert time.monotonic() < end, f"within {seconds} s no {what}"
            time.sleep(0.5)
        return found

    def agent(self, name: str) -> Json:
        """Empty where there is none of this name."""
        agents: list[Json] = self.json("hyperhive agents")
        return next((agent for agent in agents if agent["name"] == name), {})

    def up(self, *names: str) -> None:
        """Returns when each is built, runs and has passed its health gate."""
        for name in names:
            self.until(f"running {name}", functools.partial(self._is_up, name))

    def _is_up(self, name: str) -> bool:
        agent = self.agent(name)
        return agent.get("state") in ("idle", "working") and not agent["deploying"]

    def mail(self, pattern: str, agent: str = "") -> str:
        """The first message to the operator, or to an agent, in which the pattern is found."""
        to = agent or "operator"

        def look() -> str | None:
            mail: list[Json]
            if agent:
                mail = self.json(f"hyperhive inbox --agent {agent} --limit 200")
            else:
                mail = self.json("hyperhive inbox --keep-unread --limit 200")
            bodies = (str(message["body"]) for message in mail if message["to"] == to)
            return next((body for body in bodies if re.search(pattern, body)), None)

        return self.until(f"mail to {to} with {pattern!r}", look)

    def question(self) -> int:
        """The open one to the operator."""
        return self._id("question", "target", "operator", lambda: self.json("hyperhive questions"))

    def approval(self, agent: str) -> int:
        """The one about this agent that can be decided."""

        def pending() -> list[Json]:
            rows: list[Json] = self.json("hyperhive approvals")
            return [row for row in rows if row["state"] == "pending"]

        return self._id("approval", "agent", agent, pending)

    def _id(
        self, what: str, field: str, value: str, rows: collections.abc.Callable[[], list[Json]]
    ) -> int:
        def look() -> int | None:
            return next((int(row["id"]) for row in rows() if row[field] == value), None)

        return self.until(what, look)

    def deploys(self, name: str) -> list[Json]:
        """Those that are over, oldest first."""
        going_on = ("queued", "evaluating", "building", "starting")
        rows: list[Json] = self.json(f"hyperhive deploys {name}")
        return [row for row in reversed(rows) if row["state"] not in going_on]

    def invocation(self, name: str) -> str:
        """Which run of the agent's unit this is."""
        unit = f"hyperhive-agent@{name}.service"
        show = "systemctl show --property=InvocationID --value"
        return self._shell.succeed(f"{show} {unit}").strip()

    def inside(self, name: str, command: str, user: str = "agent") -> tuple[int, str]:
        """Exit status and output of a shell command in the agent's container."""
        shell = "/run/current-system/sw/bin/bash"
        run = f"systemd-run --quiet --wait --pipe --machine=h-{name} --uid={user}"
        return self._shell.execute(f"{run} {shell} -lc {shlex.quote(command)} 2>&1")
