"""Scripts of NixOS tests on a nested host: all but the NixOS around hyperhive is as they expect."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from nested.host import ENVIRONMENT, NestedHost
from tests.host.commands import SECONDS, Commands
from tests.host.hosted import Hosted
from tests.nix.driven import FOLDER
from tests.support.net import free_port

FLAKE = "/opt/hyperhive/flake"
MODULES = "/etc/hyperhive/agents"
SCENARIO = FOLDER.parent / "hyperhive/demo/scenarios/swarm.yaml"
_SWITCH = re.compile(
    r"(?:/run/booted-system/specialisation/|/nix/store/\S+-nixos-system-)(\w+)"
    r"/bin/switch-to-configuration test"
)
_ADDRESS = re.compile(r"getent ahostsv4 (\w+)")
_PROGRAMS = Path(sys.executable).parent
_ELSEWHERE = {
    r"/run/current-system/sw/bin/": "/usr/bin/",
    r"bash -lc ": "bash -c ",
    r"/nix/store/\S+/bin/python3": sys.executable,
    r"/nix/store/\S+-terminal\.py": str(FOLDER / "lib/terminal.py"),
}
"""What is at another place than on NixOS."""
_OTHER = {
    "\n{": "\n{ ... }:\n{",
    'etc."hyperhive-test".text = "another system";': (
        'systemPackages = [ (builtins.toFile "another" "system") ];'
    ),
}
"""In agents' modules, for the small flake: it knows functions, and of NixOS only packages."""

Json = dict[str, Any]


@contextmanager
def scripted(host: NestedHost, test: Json) -> Iterator[Machine]:
    """A machine for the script, and nothing of it afterwards."""
    hive = Hosted(host)
    hive.wipe()
    try:
        machine = Machine(hive, test)
        machine.serve()
        machine.start()
        yield machine
    finally:
        host.run(["systemctl", "stop", "script-*"])
        hive.wipe()


class Machine(Commands):
    """Of the driver's machine what scripts use; `test` is what stubs/nixos_test.nix makes of it."""

    def __init__(self, hive: Hosted, test: Json) -> None:
        self._hive = hive
        node = test["machines"]["machine"]
        others = {**node["others"], **test["machines"]}
        self._others = {name: it["settings"] for name, it in others.items()}
        *_, scenario, port = node["started"]["scripted-model"]["ExecStart"].split()
        ports = (str(node["settings"]["dashboard"]["port"]), port)
        self._ports = {known: str(free_port()) for known in ports}
        self._addresses = _addresses(test["machines"])
        self._configure(node["settings"])
        own = FOLDER / "lib" / _name(scenario)
        play = own if own.exists() else SCENARIO
        self.unit("model", FOLDER / "lib/scripted_model.py", play, self._ports[port])

    def run(self, script: str) -> None:
        known = {"start_all": lambda: None, "subtest": lambda _: nullcontext()}
        exec(self._moved(script), {"machine": self, "outside": self, **known})

    def unit(self, name: str, *argv: str | Path) -> None:
        """A Python program beside it."""
        self._hive.host.run(["systemd-run", f"--unit=script-{name}", sys.executable, *argv])

    def serve(self) -> None:
        """Web servers, where there are several machines."""
        for name, address in self._addresses.items():
            self.unit(name, "-m", "http.server", "--bind", address, "80")

    def _moved(self, text: str) -> str:
        for port, other in self._ports.items():
            text = re.sub(rf"\b{port}\b", other, text)
        return text

    def _configure(self, settings: Json) -> None:
        config = json.loads(self._moved(json.dumps(settings)))
        for agent in config["agents"].values():
            if "module" in agent:
                agent["module"] = self._module(agent["module"])
        agents = config.pop("agents")
        flake = self._flake(config["nix"]["flake"])
        known = {"nix": {**config["nix"], "flake": flake}, "strictVersions": False}
        self._hive.configure(agents, **{**config, **known})

    def _flake(self, path: str) -> str:
        """The small one; under another name another one, that makes the same agents."""
        name = _name(path)
        if name == "hyperhive-flake":
            return FLAKE
        place = f"{FLAKE}-{name}"
        copy = f"rm -rf {place} && cp -r {FLAKE} {place} && echo '# {name}' >>{place}/flake.nix"
        self._hive.host.run(["sh", "-c", copy])
        return place

    def _module(self, path: str) -> str:
        name = _name(path)
        text = (FOLDER / "lib/agents" / name).read_text()
        for part, other in _OTHER.items():
            text = text.replace(part, other, 1)
        place = self._hive.host.path(f"{MODULES}/{name}")
        place.parent.mkdir(exist_ok=True)
        place.write_text(text)
        return f"{MODULES}/{name}"

    # --- as the driver has them ---

    def execute(self, command: str) -> tuple[int, str]:
        if address := _ADDRESS.fullmatch(command):
            return 0, self._addresses[address[1]]
        if switch := _SWITCH.fullmatch(command):
            self._configure(self._others[switch[1]])
            command = "systemctl restart hyperhive"
        for pattern, other in _ELSEWHERE.items():
            command = re.sub(pattern, other, command)
        shell = ["bash", "-c", f"set -euo pipefail; {command}"]
        path = f"{_PROGRAMS}:{ENVIRONMENT['PATH']}"
        done = subprocess.run(
            self._hive.host.command(shell),
            env={**ENVIRONMENT, "PATH": path, "HOME": "/root"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        return done.returncode, done.stdout

    def start(self) -> None:
        self._hive.start()

    def shutdown(self) -> None:
        """Of all that a reboot would end here."""
        self._hive.stop()
        self._hive.host.run(["systemctl", "stop", "hyperhive-agent@*"])

    def crash(self) -> None:
        """All at once, and nobody sees it."""
        self._hive.host.run(
            ["systemctl", "kill", "--signal=KILL", "hyperhive", "hyperhive-agent@*"]
        )
        self.shutdown()


def _name(path: str) -> str:
    """Of a file that was copied to the store."""
    return re.sub(r"^/nix/store/[^-]+-", "", path)


def _addresses(machines: Iterable[str]) -> dict[str, str]:
    """On loopback, and of this process alone; none where there is one machine."""
    high, low = divmod(os.getpid() % 65536, 256)
    names = sorted(machines)
    some = {name: f"127.{64 + i}.{high}.{low}" for i, name in enumerate(names)}
    return some if len(some) > 1 else {}
