"""Stands in for a harness: a real process that does what its first argument says.

Standard library alone, started with `python -I` by the runtime under test.
"""

import ctypes
import json
import os
import signal
import sys
import threading
import time

SLEEP = ["sleep", "600"]


def say(*words: object, to: int = 1) -> None:
    os.write(to, " ".join([*map(str, words), "\n"]).encode())


def tell() -> None:
    """For the test: a process that must not outlive the agent."""
    say("child", os.getpid())


def daemonised() -> None:
    """In a session of its own, its parent gone."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            tell()
            os.execvp(SLEEP[0], SLEEP)
        os._exit(0)
    os.wait()


def stripped() -> None:
    """With nothing in its environment, but still in the tree."""
    if os.fork() == 0:
        os.setsid()
        tell()
        os.execvpe(SLEEP[0], SLEEP, {"PATH": os.environ["PATH"]})


def escaped() -> None:
    """A daemon with nothing in its environment."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            tell()
            os.execvpe(SLEEP[0], SLEEP, {"PATH": os.environ["PATH"]})
        os._exit(0)
    os.wait()


def undumpable() -> None:
    """Its files in /proc belong to root (PR_SET_DUMPABLE, prctl(2))."""
    if os.fork() == 0:
        os.setsid()
        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
        tell()
        time.sleep(600)


def headless() -> None:
    """The first thread ends, another goes on: /proc shows a zombie."""
    if os.fork() == 0:
        os.setsid()
        threading.Thread(target=time.sleep, args=(600,)).start()
        tell()
        ctypes.CDLL(None).syscall({"x86_64": 60}.get(os.uname().machine, 93), 0)


def comet() -> None:
    """Goes on as its own child, over and over, faster than it can be looked up."""
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        tell()
        while os.fork() == 0:
            pass
        os._exit(0)


def impostor() -> None:
    """Looks like the harness of an agent whose name is none."""
    if os.fork() == 0:
        os.setsid()
        tell()
        os.execvpe(SLEEP[0], SLEEP, {**os.environ, "HYPERHIVE_AGENT": "../x"})


def twin() -> None:
    """Looks like its own harness."""
    if os.fork() == 0:
        os.setsid()
        tell()
        os.execvp(SLEEP[0], SLEEP)


STARTS = {
    start.__name__: start
    for start in (daemonised, stripped, escaped, undumpable, headless, comet, impostor, twin)
}


def main(what: str) -> None:
    if what.startswith("exit-"):
        sys.exit(int(what.removeprefix("exit-")))
    if what == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    elif what == "talkative":
        say(json.dumps({"arguments": sys.argv[2:], "cwd": os.getcwd(), "groups": os.getgroups()}))
        say(json.dumps({"environment": dict(os.environ)}), to=2)
        say(json.dumps({"files": sorted(os.listdir("/proc/self/fd"))}))
    elif what in STARTS:
        STARTS[what]()
    if what != "stubborn":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    say("ready", os.getuid())
    while True:
        signal.pause()


main(sys.argv[1])
