"""The command line."""

import signal

# Ctrl-C while the rest is imported ends the program, without a traceback; `main` takes over.
signal.signal(signal.SIGINT, signal.SIG_DFL)

from hyperhive.cli.main import main  # noqa: E402 - see above

__all__ = ["main"]
