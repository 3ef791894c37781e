"""Where a request to the proxy wants to go; what could be read in two ways is refused."""

from __future__ import annotations

import re

from hyperhive.gateway.egress_answers import EgressRefused
from hyperhive.protocol.hosts import HostPort, parse_host_port

CONNECT = b"CONNECT "
_CONNECT_LINE = re.compile(rb"CONNECT ([!-~]+) HTTP/1\.[01]")
# RFC 9112, 5: no space before the colon, no folded lines, no control characters.
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t -~\x80-\xff]*")
_ABSOLUTE = re.compile(r"http://([^/?#\\@]+)(/[!-\"$-~]*|\?[!-\"$-~]*)?", re.IGNORECASE)
_HTTP_PORT = 80


def connect_target(head: bytes) -> HostPort:
    """Of a whole head, with the empty line. Raises EgressRefused."""
    line, *headers = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    asked = _CONNECT_LINE.fullmatch(line)
    fields = [_HEADER.fullmatch(header) for header in headers]
    if asked is None or None in fields:
        raise EgressRefused(400, "not acceptable HTTP")
    names = [field[1].lower() for field in fields if field]
    empty = rb"(?i)content-length:[\t ]*0[\t ]*"
    of_a_body = (b"content-length", b"transfer-encoding")
    framing = [header for header in headers if header.lower().startswith(of_a_body)]
    if names.count(b"host") > 1 or not all(re.fullmatch(empty, header) for header in framing):
        raise EgressRefused(400, "a CONNECT request has one Host and no body")
    return _target(asked[1].decode("ascii"))


def absolute_target(text: str) -> tuple[HostPort, str]:
    """Of a request's target `http://host/path?query`, and the rest as it stands.

    Raises EgressRefused.
    """
    asked = _ABSOLUTE.fullmatch(text)
    if asked is None:
        raise EgressRefused(
            400, "the proxy takes http://host/path without user and fragment, and CONNECT for https"
        )
    authority, rest = asked[1], asked[2] or ""
    has_port = re.search(r":[^:\]]*$", authority)
    target = _target(authority if has_port else f"{authority}:{_HTTP_PORT}")
    return target, rest if rest.startswith("/") else f"/{rest}"


def _target(text: str) -> HostPort:
    try:
        return parse_host_port(text)
    except ValueError as error:
        raise EgressRefused(400, f"what to connect to {error}") from None
