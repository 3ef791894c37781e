"""`python -I -m hyperhive.nspawn.purge NAME`: deletes what one agent kept. Runs as root.

The unit `hyperhive-purge@NAME.service` runs it. First the agent's directory is moved to the trash
under the lock that a launch takes, too; from then on the agent has nothing, and what is in the
trash is deleted. After a crash at any point it can be repeated, and does the rest.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence

from hyperhive.nspawn import launch_limits, launch_policy
from hyperhive.nspawn.launch_paths import opened
from hyperhive.nspawn.launch_places import agents_locked, open_trash
from hyperhive.nspawn.launch_policy import Policy
from hyperhive.nspawn.launch_refusal import Exit, Refused, run_and_exit
from hyperhive.nspawn.launch_root import open_launch
from hyperhive.nspawn.launcher import agent_name
from hyperhive.nspawn.purge_delete import Deletion
from hyperhive.nspawn.purge_running import mounted_below, running


class Purge:
    """One purge of one agent. `policy_file` is another one in tests alone."""

    def __init__(self, policy_file: str = launch_policy.POLICY_FILE) -> None:
        self._policy_file = policy_file

    def main(self, arguments: Sequence[str]) -> int:
        """The exit status."""
        return run_and_exit("purge", lambda: self._purge(arguments))

    def _purge(self, arguments: Sequence[str]) -> None:
        name = agent_name(arguments)
        policy = launch_policy.read_policy(self._policy_file)
        with opened(open_trash(policy)) as trash:
            deletion = Deletion(trash, f"{name}.")  # no name has a dot in it
            _put_aside(policy, name, trash, deletion.fresh_name())
            deletion.run()
            os.fsync(trash)
        _forget_launch(policy, name)
        if deletion.left:
            shown = "; ".join(deletion.problems)
            message = f"{deletion.left} entries of {name} could not be deleted: {shown}"
            raise Refused(Exit.INCOMPLETE, f"{message}. Remedy that and purge again")


def _put_aside(policy: Policy, name: str, trash: int, target: str) -> None:
    """Moves the agent's directory to the trash, if it has one. Raises Refused while it runs."""
    with agents_locked(policy) as agents:
        _check_stopped(policy, name)
        try:
            os.rename(name, target, src_dir_fd=agents, dst_dir_fd=trash)
        except FileNotFoundError:
            return  # an earlier purge got this far, or the agent never started
        except OSError as error:
            message = f"{policy.state_dir}/agents/{name} cannot be moved: {error.strerror}"
            raise Refused(Exit.MOUNTED, message) from None
        os.fsync(agents)
        os.fsync(trash)


def _check_stopped(policy: Policy, name: str) -> None:
    unit = f"hyperhive-agent@{name}.service"
    if cgroup := running(unit):
        raise Refused(Exit.RUNNING, f"{unit} has processes in {cgroup}; stop it first")
    paths = (f"{policy.run_dir}/launch/{name}", f"{policy.state_dir}/agents/{name}")
    if point := mounted_below(paths):
        raise Refused(Exit.MOUNTED, f"something is mounted at {point}; unmount it first")


def _forget_launch(policy: Policy, name: str) -> None:
    """Last, under the lock, and not when the name was launched anew meanwhile."""
    with agents_locked(policy) as agents, opened(open_launch(policy)) as launch:
        with contextlib.suppress(FileNotFoundError):
            os.lstat(name, dir_fd=agents)
            return
        for left in (f"{name}.json", f".{name}.json"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(left, dir_fd=launch)
        with contextlib.suppress(FileNotFoundError):
            os.rmdir(name, dir_fd=launch)
        launch_limits.forget(f"hyperhive-agent@{name}.service")


if __name__ == "__main__":
    sys.exit(Purge().main(sys.argv[1:]))
