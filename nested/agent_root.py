"""What an agent of a nested host boots: this machine's own programs below a small `/etc`."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

AGENT = 1000
LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
DIRECTORIES = (
    *("dev", "proc", "run", "run/hive", "sys", "tmp", "usr", "var", "var/tmp", "root"),
    *("home", "home/agent", "state", "workspace", "etc/systemd/system", "etc/pam.d"),
)
COPIED = ("ld.so.cache", "mime.types")
SHOWN = ("/usr", "/etc/alternatives", "/etc/ssl/certs")
"""Of the machine itself, where it is there."""
ETC = {
    "passwd": "root:x:0:0:root:/root:/bin/bash\n"
    f"agent:x:{AGENT}:{AGENT}:agent:/home/agent:/bin/bash\n"
    "messagebus:x:100:100::/nonexistent:/usr/sbin/nologin\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    "group": f"root:x:0:\ntty:x:5:\nagent:x:{AGENT}:\nmessagebus:x:100:\nnogroup:x:65534:\n",
    "shadow": "root:*:1::::::\nagent:*:1::::::\nmessagebus:*:1::::::\nnobody:*:1::::::\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files\n",
    "hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "hostname": "agent\n",
    "machine-id": "",
    "login.defs": "",
    "os-release": 'ID=hyperhive-agent\nNAME="hyperhive agent"\nPRETTY_NAME="hyperhive agent"\n',
    "profile": "export PATH=/usr/local/bin:/usr/bin:/bin\n",
    "pam.d/login": "auth required pam_permit.so\naccount required pam_permit.so\n"
    "session required pam_permit.so\n",
    "pam.d/other": "auth required pam_deny.so\naccount required pam_permit.so\n"
    "session required pam_permit.so\n",
    # Nothing that this machine's packages bring starts inside.
    "systemd/system/agent.target": "[Unit]\nDescription=Agent\n"
    "Requires=sysinit.target dbus.socket hyperhive-harness.service\nAfter=sysinit.target\n",
    "systemd/journald.conf": "[Journal]\nStorage=volatile\nRuntimeMaxUse=8M\n"
    "ForwardToConsole=yes\nMaxLevelConsole=info\n",
    "systemd/system.conf": "[Manager]\nDefaultTimeoutStopSec=5s\nShowStatus=no\n",
}
HARNESS = """\
[Unit]
Description=Harness
# The end of the harness is the end of the container, with the same exit status.
SuccessAction=exit-force
FailureAction=exit-force
# Told to stop it may end by SIGTERM, which has no status and would count as 255.
SuccessActionExitStatus=0
DefaultDependencies=no
Conflicts=shutdown.target
Before=shutdown.target

[Service]
User=agent
WorkingDirectory=/workspace
ExecStart={python} -I -m hyperhive.harness run
Environment=HOME=/home/agent LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1
Environment=PATH=/usr/local/bin:/usr/bin:/bin
UMask=0077
StandardOutput=journal+console
SyslogIdentifier=hyperhive-harness
TimeoutStopSec=5
"""
MASKED = (
    "console-getty.service container-getty@.service getty.target ldconfig.service "
    "systemd-firstboot.service systemd-hwdb-update.service systemd-journal-flush.service "
    "systemd-logind.service systemd-network-generator.service systemd-networkd.service "
    "systemd-resolved.service systemd-sysctl.service systemd-sysusers.service "
    "systemd-tmpfiles-clean.timer systemd-tmpfiles-setup-dev.service "
    "systemd-tmpfiles-setup.service systemd-update-utmp.service systemd-user-sessions.service "
    "dev-hugepages.mount dev-mqueue.mount sys-fs-fuse-connections.mount "
    "systemd-ask-password-console.path systemd-ask-password-wall.path "
    "systemd-machine-id-commit.service systemd-pcrphase-sysinit.service systemd-pcrphase.service "
    "systemd-remount-fs.service tmp.mount"
).split()
GENERATORS = Path("/usr/lib/systemd/system-generators")
"""They make units of what a machine has: disks, terminals, scripts. No container has any."""


def make_skeleton(skeleton: Path, python: str, shown: Sequence[str]) -> None:
    """Files of the container's own root, owned by 0 and, in `/home/agent`, by nobody yet."""
    shutil.rmtree(skeleton, ignore_errors=True)
    for name in DIRECTORIES:
        (skeleton / name).mkdir(parents=True, exist_ok=True)
    for path in shown:
        (skeleton / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
    for name in ("tmp", "var/tmp"):
        (skeleton / name).chmod(0o1777)
    for name in LINKS:
        if Path("/", name).is_symlink():
            (skeleton / name).symlink_to(f"usr/{name}")
    (skeleton / "var/run").symlink_to("../run")
    etc = skeleton / "etc"
    for name, text in ETC.items():
        (etc / name).write_text(text)
    (etc / "shadow").chmod(0o600)
    for name in COPIED:
        if (source := Path("/etc", name)).exists():
            shutil.copy(source, etc / name)
    units = etc / "systemd/system"
    (units / "hyperhive-harness.service").write_text(HARNESS.format(python=python))
    (units / "default.target").symlink_to("agent.target")
    for name in MASKED:
        (units / name).symlink_to("/dev/null")
    (etc / "systemd/system-generators").mkdir()
    for generator in GENERATORS.glob("*"):
        (etc / "systemd/system-generators" / generator.name).symlink_to("/dev/null")


def make_bundle(bundle: Path) -> None:
    """Settings reach the harness over its link; this one narrows none of the host's limits."""
    (bundle / "system").mkdir(parents=True, exist_ok=True)
    (bundle / "agent.json").write_text("{}\n")
    init = bundle / "system/init"
    init.unlink(missing_ok=True)
    init.symlink_to("/usr/lib/systemd/systemd")
