"""The service in a nested host, as it is installed, driven through its admin socket."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyperhive.admin.client import AdminClient
from nested.host import NestedHost
from tests.support.wait import wait_for, wait_until

MODEL = "claude-sonnet-5-5"
BUNDLE = "/opt/hyperhive/bundles/default"
STATE = "/var/lib/hyperhive"
RUN = "/run/hyperhive"


@dataclass
class Hosted:
    """One hive of a nested host; agents are not started by themselves."""

    host: NestedHost

    def configure(self, agents: Mapping[str, Mapping[str, Any]], **options: Any) -> None:
        config = {
            "stateDir": f"{STATE}/service",
            "runDir": f"{RUN}/service",
            "agentsDir": f"{STATE}/agents",
            "models": {"m": {"id": MODEL}},
            "defaultModel": "m",
            "credentialFile": "/run/credentials/hyperhive.service/credential",
            "upstream": "http://127.0.0.1:9",
            "dashboard": {"port": 0},
            "runtime": {"kind": "nspawn", "defaultBundle": BUNDLE},
            "manager": {"autoStart": False},
            "agents": {name: {"autoStart": False, **agent} for name, agent in agents.items()},
            **options,
        }
        path = self.host.path("/etc/hyperhive")
        (path / "config.yaml").write_text(json.dumps(config))  # JSON is YAML
        (path / "credential").write_text("scripted-model")
        (path / "credential").chmod(0o600)

    def start(self) -> None:
        """Returns when it is ready; what it said is in the error when it does not get there."""
        try:
            self.host.run(["systemctl", "start", "hyperhive"])
        except RuntimeError as error:
            said = self.host.run(["journalctl", "-u", "hyperhive", "-n", "20", "--no-pager"]).stdout
            raise RuntimeError(f"{error}\n{said}") from None

    def stop(self) -> None:
        """Agents go on."""
        self.host.run(["systemctl", "stop", "hyperhive"])

    def kill(self, process: str = "main") -> None:
        """SIGKILL; systemd starts it again a second later."""
        self.host.run(["systemctl", "kill", "--signal=KILL", f"--kill-who={process}", "hyperhive"])

    @contextlib.asynccontextmanager
    async def admin(self) -> AsyncIterator[AdminClient]:
        async with AdminClient(self.host.path(f"{RUN}/service/admin.sock")) as client:
            yield client

    def socket(self, agent: str) -> Path:
        return self.host.path(f"{RUN}/service/agents/{agent}/hive.sock")

    def launch(self, agent: str) -> dict[str, Any]:
        """What the launcher wrote down."""
        found: dict[str, Any] = json.loads(self.host.path(f"{RUN}/launch/{agent}.json").read_text())
        return found

    def leader(self, agent: str) -> int:
        """The container's PID 1, as the nested host numbers it."""
        show = ["machinectl", "show", f"h-{agent}", "--property=Leader", "--value"]
        return int(self.host.run(show).stdout)

    def inside(self, agent: str, argv: list[str], user: str = "root") -> list[str]:
        """What to run in the nested host to run `argv` in the container, as its root or agent.

        In its namespaces, cgroup and capability bounds; SECCOMP and no_new_privs are the shell's:
        use `machinectl shell` where they matter.
        """
        uid = {"root": "0", "agent": "1000"}[user]
        enter = ["nsenter", f"--target={self.leader(agent)}", "--all"]
        as_user = [f"--setuid={uid}", f"--setgid={uid}"]
        return [*enter, *as_user, *argv]

    def unit(self, agent: str, *properties: str) -> dict[str, str]:
        show = ["systemctl", "show", f"hyperhive-agent@{agent}.service"]
        lines = self.host.run([*show, *(f"--property={p}" for p in properties)]).stdout
        return dict(line.split("=", 1) for line in lines.splitlines())

    def service(self, *properties: str) -> dict[str, str]:
        show = ["systemctl", "show", "hyperhive", *(f"--property={p}" for p in properties)]
        return dict(line.split("=", 1) for line in self.host.run(show).stdout.splitlines())

    def machines(self) -> set[str]:
        lines = self.host.run(["machinectl", "list", "--no-legend"]).stdout.splitlines()
        return {line.split()[0] for line in lines if line.startswith("h-")}

    def wipe(self) -> None:
        """Nothing of it runs or is kept; only the nested host's own parts stay."""
        self.stop()  # first: what it starts would take the place of what is to be stopped
        self.host.run(["systemctl", "stop", "hyperhive-agent@*", "hyperhive-purge@*"])
        wait_until(lambda: not self.machines(), 20.0, "no machine")
        self.host.run(["systemctl", "reset-failed"])
        places = [f"{STATE}/service", f"{STATE}/agents", f"{STATE}/trash"]
        runs = [f"{RUN}/service/agents", f"{RUN}/launch"]
        self.host.run(["find", *places, *runs, "-mindepth", "1", "-delete"])
        for name in ("config.yaml", "credential"):
            self.host.path(f"/etc/hyperhive/{name}").unlink(missing_ok=True)
        limits = "/run/systemd/system.control/hyperhive-agent@*"
        self.host.run(["sh", "-c", f"rm -rf {limits} && systemctl daemon-reload"])


async def linked(client: AdminClient, name: str) -> bool:
    agents = (await client.call("agents"))["agents"]
    return any(a["name"] == name and a["linked"] for a in agents)


async def start(client: AdminClient, name: str) -> None:
    """Returns when the agent's harness has its link."""
    await client.call("start", name=name)
    await wait_for(lambda: linked(client, name), 30.0, f"{name}'s link")


@contextlib.contextmanager
def hosted(
    host: NestedHost, agents: Mapping[str, Mapping[str, Any]], **options: Any
) -> Iterator[Hosted]:
    """A running service with these agents, and nothing of it afterwards."""
    hive = Hosted(host)
    hive.wipe()
    hive.configure(agents, **options)
    try:
        hive.start()
        yield hive
    finally:
        hive.wipe()
