"""Headers upstream and back: allow-lists, one credential of the right kind, betas."""

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from hyperhive.gateway.model_headers import check_credential, kept_headers, upstream_headers
from hyperhive.gateway.model_side import ModelSide
from hyperhive.protocol.errors import InvalidField, PolicyRefused, Unauthenticated

KEY = ("X-Api-Key", "placeholder")
TOKEN = ("Authorization", "Bearer placeholder")


def headers(*pairs: tuple[str, str]) -> CIMultiDictProxy[str]:
    return CIMultiDictProxy(CIMultiDict(pairs))


@pytest.mark.parametrize(
    ("kind", "pairs", "fits"),
    [
        ("api_key", [KEY], True),
        ("oauth_token", [TOKEN], True),
        ("api_key", [("x-api-key", "")], True),
        ("api_key", [], False),
        ("oauth_token", [], False),
        ("api_key", [TOKEN], False),
        ("oauth_token", [KEY], False),
        ("api_key", [KEY, TOKEN], False),
        ("oauth_token", [KEY, TOKEN], False),
        ("api_key", [KEY, KEY], False),
        ("oauth_token", [TOKEN, TOKEN], False),
        ("oauth_token", [("Authorization", "Basic x")], False),
    ],
)
def test_exactly_the_credential_of_the_kind(
    kind: str, pairs: list[tuple[str, str]], fits: bool
) -> None:
    if fits:
        check_credential(headers(*pairs), kind)
        return
    with pytest.raises(Unauthenticated):
        check_credential(headers(*pairs), kind)


def test_only_listed_headers_go_upstream() -> None:
    sent = headers(
        KEY,
        ("Host", "hive"),
        ("User-Agent", "claude-cli/2"),
        ("Accept", "application/json"),
        ("Anthropic-Version", "2023-06-01"),
        ("anthropic-beta", "a-2025-01-01, b"),
        ("Anthropic-Beta", "c"),
        ("X-App", "cli"),
        ("X-Stainless-OS", "Linux"),
        ("X-Forwarded-For", "1.2.3.4"),
        ("Cookie", "a=b"),
        ("Content-Type", "text/plain"),
        ("Anthropic-Dangerous-Direct-Browser-Access", "true"),
    )
    expected = {
        "Content-Type": "application/json",
        "Accept-Encoding": "identity",
        "Accept": "application/json",
        "Anthropic-Version": "2023-06-01",
        "Anthropic-Beta": "a-2025-01-01,b,c",
        "User-Agent": "claude-cli/2",
        "X-App": "cli",
    }
    assert upstream_headers(sent, "api_key", "real", ModelSide()) == expected | {
        "X-Api-Key": "real"
    }
    assert upstream_headers(sent, "oauth_token", "real", ModelSide()) == expected | {
        "Authorization": "Bearer real"
    }


SEEN = (
    "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27,"
    "per-turn-control-2026-07-01,mid-conversation-tool-changes-2026-07-01,"
    "thinking-token-count-2026-05-13,effort-2025-11-24,thinking-display-updates-2026-08-18,"
    "oauth-2025-04-20"
)


def betas(value: str, *words: str) -> str | None:
    sent = headers(KEY, ("anthropic-beta", value))
    return upstream_headers(sent, "api_key", "real", ModelSide(words)).get("Anthropic-Beta")


def test_betas() -> None:
    assert betas(SEEN) == SEEN
    assert betas("") is None
    assert betas(" , ,a") == "a"
    for beta in ("files-api-2025-04-14", "mcp-client-2025-11-20", "code-execution-2025-05-22"):
        with pytest.raises(PolicyRefused, match="anthropic-beta"):
            betas(f"{SEEN},{beta}")
        assert betas(beta, beta) == betas(beta, ModelSide.family(beta)) == betas(beta, "*") == beta
    for odd in ("a b", "a\tb", "é", "x" * 101, "-a", 'a"b'):
        with pytest.raises(InvalidField):
            betas(odd)


@pytest.mark.parametrize("value", ["x" * 501, "é", "a\x7f"])
def test_odd_values_are_refused_by_name(value: str) -> None:
    with pytest.raises(InvalidField, match="user-agent"):
        upstream_headers(headers(KEY, ("User-Agent", value)), "api_key", "real", ModelSide())


def test_only_listed_headers_come_back() -> None:
    answer = headers(
        ("Content-Type", "text/event-stream"),
        ("request-id", "req_1"),
        ("Retry-After", "5"),
        ("x-should-retry", "true"),
        ("anthropic-ratelimit-tokens-remaining", "5"),
        ("anthropic-organization-id", "org"),
        ("Set-Cookie", "a=b"),
        ("Server", "cloudflare"),
        ("Location", "https://elsewhere"),
        ("Content-Length", "5"),
        ("Content-Encoding", "gzip"),
    )
    assert set(kept_headers(answer)) == {
        *("Content-Type", "request-id", "Retry-After", "x-should-retry"),
        "anthropic-ratelimit-tokens-remaining",
    }
