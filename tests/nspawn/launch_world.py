"""A host for the programs that run as root, in a directory: all of its own but the kernel."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

INVOCATION = "0123456789abcdef0123456789abcdef"
SERVICE = "nobody"
SERVICE_UID = pwd.getpwnam(SERVICE).pw_uid
LAUNCH = "import sys; from hyperhive.nspawn.launcher import Launcher as P"
PURGE = "import sys; from hyperhive.nspawn.purge import Purge as P"

# In place of systemd where there is none: says how it was called and what it saw.
RECORDER = """\
    #!{python} -I
    import json, os, pathlib, sys
    fds = {{}}
    for fd in os.listdir("/proc/self/fd"):
        try:
            fds[fd] = os.readlink("/proc/self/fd/" + fd)
        except OSError:
            pass  # the one of the listing itself
    directory = [a.partition("=")[2] for a in sys.argv if a.startswith("--directory=")]
    seen = [str(p) for d in directory for p in pathlib.Path(d).rglob("*")]
    mounts = pathlib.Path("/proc/self/mountinfo").read_text()
    env = dict(os.environ)
    with open({record!r}, "w") as file:
        json.dump(dict(argv=sys.argv, env=env, fds=fds, mounts=mounts, seen=seen), file)
    sys.exit({status})
"""


class World:
    """`host` has a policy, an empty state directory, and the bundle of an agent `alice`."""

    def __init__(self, host: Path) -> None:
        self.state, self.run, self.store = host / "state", host / "run", host / "store"
        self.policy_file = host / "etc/policy.json"
        self.programs = host / "bin"
        self.policy: dict[str, Any] = {
            "stateDir": str(self.state),
            "runDir": str(self.run),
            "serviceUser": SERVICE,
            "bundleRoots": [str(self.store)],
            "bindReadOnly": ["/usr", str(self.store)],
            "root": {"sizeMax": 2**20, "inodesMax": 200},
        }
        for path in (self.state, self.run, self.store, self.run / "launch", host / "etc"):
            path.mkdir(parents=True)
        for name in ("agents", "trash"):
            (self.state / name).mkdir(mode=0o700)
        for path in (self.state / "service", self.run / "service"):
            self.give(path)
        self.give(self.state / "service/bundles")
        self.give(self.run / "service/agents")
        self.programs.mkdir()
        self.stand_in("systemd-nspawn")
        self.stand_in("systemctl")
        self.write_policy()
        self.add("alice")

    def give(self, path: Path, uid: int = SERVICE_UID, mode: int = 0o700) -> Path:
        path.mkdir(exist_ok=True)
        os.chown(path, uid, uid)
        path.chmod(mode)
        return path

    def write_policy(self, **changed: object) -> None:
        self.policy_file.write_text(json.dumps({**self.policy, **changed}))

    def add(self, name: str, settings: object = None) -> Path:
        """A bundle and a socket's directory, as the service has them before a start."""
        bundle = self.store / f"bundle-{name}"
        (bundle / "system").mkdir(parents=True)
        (bundle / "agent.json").write_text(json.dumps(settings or {}))
        init = bundle / "system/init"
        init.write_text("#!/bin/sh\n")
        init.chmod(0o755)
        self.link(name).symlink_to(bundle)
        self.give(self.socket(name), mode=0o711)
        return bundle

    def link(self, name: str) -> Path:
        return self.state / "service/bundles" / name

    def socket(self, name: str) -> Path:
        return self.run / "service/agents" / name

    def part(self, name: str, part: str) -> Path:
        return self.state / "agents" / name / part

    def stand_in(self, program: str, status: int = 0) -> None:
        path = self.programs / program
        text = textwrap.dedent(RECORDER)
        record = str(self.programs / f"{program}.json")
        path.write_text(text.format(python=sys.executable, record=record, status=status))
        path.chmod(0o755)

    def record(self, program: str = "systemd-nspawn") -> dict[str, Any]:
        """How a stand-in was called the last time."""
        recorded: dict[str, Any] = json.loads((self.programs / f"{program}.json").read_text())
        return recorded

    def command(self, program: str, *arguments: str) -> list[str]:
        code = f"{program}; sys.exit(P(sys.argv[1]).main(sys.argv[2:]))"
        return [sys.executable, "-I", "-c", code, str(self.policy_file), *arguments]

    def environment(self, **changed: str) -> dict[str, str]:
        return {"PATH": str(self.programs), "INVOCATION_ID": INVOCATION, **changed}

    def call(
        self,
        program: str,
        *arguments: str,
        env: dict[str, str] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(program, *arguments),
            env=self.environment() if env is None else env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            pass_fds=pass_fds,
        )

    def launched(self, name: str) -> dict[str, Any]:
        """Launch it and return what the service would read of that."""
        done = self.call(LAUNCH, name)
        assert done.returncode == 0, done.stderr
        facts: dict[str, Any] = json.loads((self.run / f"launch/{name}.json").read_text())
        return facts
