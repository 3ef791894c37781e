"""Every field of every verb wrong in turn, over link and POST: named, and nothing is stored."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from hyperhive.gateway import verbs as module
from hyperhive.protocol.errors import InvalidField
from hyperhive.protocol.schema import fields_of, parse
from hyperhive.protocol.verbs import VERBS
from tests.gateway.client import Refused, result_of
from tests.gateway.examples import GOOD, INSTANCE, POSTED
from tests.gateway.world import World

SURPRISES = {"surprise", "surprise\\ud800"}
BAD_VALUES: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    2**53,
    10**400,
    "",
    "x",
    "-rf",
    "../..",
    "a\n",
    "a\0b",
    "\ud800",
    "Ä" * 70_000,
    "operator; drop",
    [],
    [None],
    [[]],
    ["x"] * 200,
    [{}],
    {},
    {"a": 1},
]


def wrong_arguments(verb: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(field that has to be named, arguments) for everything that the schema does not accept."""
    cls = VERBS[verb].arguments
    tried = [GOOD[verb] | {"surprise": 1}, GOOD[verb] | {"surprise\ud800": 1}]
    for name in fields_of(cls):
        tried.append({k: v for k, v in GOOD[verb].items() if k != name})
        tried += [GOOD[verb] | {name: bad} for bad in BAD_VALUES]
    for arguments in tried:
        try:
            parse(cls, arguments)
        except InvalidField as error:
            yield error.field, arguments


def as_json(value: object) -> bytes:
    """With lone surrogates as escapes, which is the only way they can travel."""
    return json.dumps(value).encode("ascii")


def repr_of(value: object) -> object:
    return value if isinstance(value, int) else None


def test_every_verb_has_a_handler_and_an_example() -> None:
    assert set(module._HANDLERS) == set(VERBS) == set(GOOD)
    for name, arguments in GOOD.items():
        parse(VERBS[name].arguments, arguments)
        assert set(arguments) == set(fields_of(VERBS[name].arguments))


@pytest.mark.parametrize("verb", POSTED)
async def test_each_field_wrong_by_post_is_named_and_nothing_is_stored(
    world: World, verb: str
) -> None:
    before, named = world.dump(), set()
    async with world.client("manager").http() as http:
        for field, arguments in wrong_arguments(verb):
            url = f"http://hive/v1/{verb}"
            async with http.post(url, data=as_json(arguments)) as answer:
                error = (await answer.json())["error"]
            if error["code"] == "invalid_frame":  # no JSON parser may read it in another way
                assert answer.status == 400
                continue
            assert (answer.status, error["code"], error["field"]) == (400, "invalid_field", field)
            named.add(field.partition("[")[0])
    assert named == set(GOOD[verb]) | SURPRISES
    assert world.dump() == before


@pytest.mark.parametrize("verb", VERBS)
async def test_each_field_wrong_over_the_link_is_named_and_nothing_is_stored(
    world: World, verb: str
) -> None:
    async with world.client("manager").link(INSTANCE) as link:
        before, named = world.dump(), set()
        for number, (field, arguments) in enumerate(wrong_arguments(verb), 1):
            frame = {"type": "request", "id": number, "verb": verb, "args": arguments}
            if not {2**53, 10**400}.isdisjoint(map(repr_of, arguments.values())):
                continue  # not a frame at all, see test_link
            answer = link.expect(number)
            await link.ws.send_str(as_json(frame).decode())
            with pytest.raises(Refused) as refused:
                result_of(await answer)
            assert refused.value.code == "invalid_field"
            # A name that is no text is refused with the frame around it.
            assert refused.value.field in (field, f"args.{field}")
            named.add(field.partition("[")[0])
        assert named == set(GOOD[verb]) | SURPRISES
        assert world.dump() == before
