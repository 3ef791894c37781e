"""Token counts grow with the text and move into the cache as a conversation goes on."""

from __future__ import annotations

from hyperhive.demo.usage import InputTokens, input_tokens, tokens
from tests.demo.talk import Json, mail, request, said, wake

LONG = "word " * 400


def cached(*messages: Json) -> InputTokens:
    system = [{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"}}]
    return input_tokens(request(*messages, system=system))


def test_tokens_of_a_text() -> None:
    assert [tokens(text) for text in ("", "a", "abcd", "abcde")] == [0, 1, 1, 2]
    assert tokens({"a": 1}) == 2


def test_without_a_cache_all_is_fresh() -> None:
    short = input_tokens(request(wake(mail("x"))))
    long = input_tokens(request(wake(mail("x" + LONG))))
    assert (short.cache_read, short.cache_write) == (0, 0)
    assert long.total - short.total == tokens(LONG)


def test_a_conversation_is_read_from_the_cache() -> None:
    first = cached(wake(mail("one")))
    assert first.cache_read == 0
    assert first.cache_write > tokens(LONG)
    second = cached(wake(mail("one")), said("yes"), wake(mail("two")))
    assert second.cache_read >= first.total - 2
    assert 0 < second.cache_write < first.total
    third = cached(wake(mail("one")), said("yes"), wake(mail("two")), said(LONG), wake(mail("3")))
    assert third.cache_read > second.cache_read
    assert third.cache_write > tokens(LONG)


def test_the_api_names_them() -> None:
    assert InputTokens(1, 2, 3).to_json() == {
        "input_tokens": 1,
        "cache_creation_input_tokens": 2,
        "cache_read_input_tokens": 3,
    }
