"""What the proxy says when it does not connect: one line, as the reason and as the body."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web


class EgressRefused(Exception):
    """`message` is one line of ASCII: of a refused CONNECT programs show the reason only."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = f"hyperhive: {message}"


ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


def as_bytes(refused: EgressRefused) -> bytes:
    body = f"{refused.message}\n"
    head = (
        f"HTTP/1.1 {refused.status} {refused.message}",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(body)}",
        *([f"Retry-After: {_PAUSE}"] if refused.status in _PASSING else []),
        "Connection: close",
    )
    return "\r\n".join((*head, "", body)).encode("ascii")


def as_response(refused: EgressRefused) -> web.Response:
    headers = {"Retry-After": _PAUSE} if refused.status in _PASSING else None
    response = web.Response(
        status=refused.status, reason=refused.message, text=f"{refused.message}\n", headers=headers
    )
    response.force_close()
    return response


_PASSING = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
_PAUSE = "1"
