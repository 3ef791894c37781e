"""What runs in a taken container as its root: any HTTP to the agent's socket, as it is told.

Reads requests as JSON lines and writes answers, many at a time. It is sent as it stands, since the
container sees nothing of the clone. See breaching.py.
"""

import base64
import http.client
import json
import socket
import sys
import threading
import time
from typing import Any

SOCKET = "/run/hive/hive.sock"
KEPT = 4000
lock = threading.Lock()


class Connection(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(120)
        self.sock.connect(SOCKET)


def ask(asked: dict[str, Any]) -> tuple[int, bytes]:
    """Status 0 where the connection was closed instead of an answer."""
    connection = Connection("hive", timeout=120)
    body = base64.b64decode(asked["body"]) * asked.get("times", 1)
    try:
        connection.request(asked["method"], asked["path"], body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        return 0, repr(error).encode()
    finally:
        connection.close()


def drip(asked: dict[str, Any]) -> tuple[int, bytes]:
    """A body of which a byte comes every `every` seconds; for how long it was listened to."""
    connection = Connection("hive", timeout=120)
    try:
        connection.putrequest(asked["method"], asked["path"])
        connection.putheader("Content-Length", str(asked["drip"]))
        connection.endheaders()
        assert connection.sock is not None
        connection.sock.settimeout(asked["every"])
        for _ in range(asked["drip"]):
            connection.sock.send(b"x")
            try:
                if not (data := connection.sock.recv(4096)):
                    return 0, b"closed"
                return int(data.split()[1]), data
            except TimeoutError:
                continue
        return 0, b"it took all"
    except OSError as error:
        return 0, repr(error).encode()
    finally:
        connection.close()


def answer(asked: dict[str, Any]) -> None:
    begun = time.monotonic()
    status, body = (drip if "drip" in asked else ask)(asked)
    seconds = time.monotonic() - begun
    text = body[: asked.get("kept", KEPT)].decode(errors="replace")
    told = {"number": asked["number"], "status": status, "body": text, "seconds": seconds}
    with lock:
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


for line in sys.stdin:
    threading.Thread(target=answer, args=(json.loads(line),), daemon=True).start()
