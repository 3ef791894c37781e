"""Headers to and from the model's servers, built from allow-lists; the real key is put in here."""

from __future__ import annotations

import re

from multidict import CIMultiDictProxy

from hyperhive.gateway.model_side import ModelSide
from hyperhive.protocol.errors import InvalidField, Unauthenticated

_FORWARDED = ("Accept", "Anthropic-Version", "User-Agent", "X-App")
_KEPT = re.compile(r"content-type|request-id|retry-after|x-should-retry|anthropic-ratelimit-.+")
_MAX_VALUE = 500
_BETA = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

_SERVER_RUN_BETAS = """
    advisor-tool agent-memory code-execution environments fast-mode files-api managed-agents
    mcp-client mcp-servers mcp-tunnels message-batches message-threads server-side-fallback skills
    user-profiles web-fetch web-search
"""
_SERVER_RUN = frozenset(_SERVER_RUN_BETAS.split())
"""Betas under which the model's servers fetch, run or keep something, or use another model.

Others change the form of a request only; what they let a body carry is checked in the body.
"""

CREDENTIAL_HEADERS = {"api_key": "X-Api-Key", "oauth_token": "Authorization"}


def check_credential(headers: CIMultiDictProxy[str], kind: str) -> None:
    """The request must carry the placeholder of the real credential's kind, and nothing else.

    Raises Unauthenticated: a mixture would reach the API as one, where it is refused or misread.
    """
    expected = CREDENTIAL_HEADERS[kind]
    for name in CREDENTIAL_HEADERS.values():
        found = len(headers.getall(name, []))
        if found != (name == expected):
            raise Unauthenticated(f"hyperhive: exactly one {expected} header is expected here")
    if kind == "oauth_token" and not headers[expected].startswith("Bearer "):
        raise Unauthenticated("hyperhive: the Authorization header must begin with `Bearer `")


def upstream_headers(
    headers: CIMultiDictProxy[str], kind: str, secret: str, side: ModelSide
) -> dict[str, str]:
    """What goes upstream. Raises InvalidField, or PolicyRefused for a beta that is not allowed."""
    built = {
        "Content-Type": "application/json",
        "Accept-Encoding": "identity",  # the stream is read on its way, and sent on as it comes
        CREDENTIAL_HEADERS[kind]: secret if kind == "api_key" else f"Bearer {secret}",
    }
    for name in _FORWARDED:
        if value := headers.get(name):
            built[name] = _plain(name, value)
    if betas := _betas(headers, side):
        built["Anthropic-Beta"] = ",".join(betas)
    return built


def _betas(headers: CIMultiDictProxy[str], side: ModelSide) -> list[str]:
    listed = ",".join(headers.getall("Anthropic-Beta", [])).split(",")
    betas = [beta for item in listed if (beta := item.strip())]
    for beta in betas:
        if not _BETA.fullmatch(beta):
            raise InvalidField("anthropic-beta", "must be a list of names")
        if side.family(beta) in _SERVER_RUN:
            side.need(beta, "header anthropic-beta")
    return betas


def _plain(name: str, value: str) -> str:
    if len(value) > _MAX_VALUE or not value.isascii() or not value.isprintable():
        raise InvalidField(name.lower(), f"must be at most {_MAX_VALUE} printable characters")
    return value


def kept_headers(headers: CIMultiDictProxy[str]) -> dict[str, str]:
    """What of the answer's headers goes back to the agent."""
    return {name: value for name, value in headers.items() if _KEPT.fullmatch(name.lower())}
