"""What a body may carry: a table of refusals, and what Claude Code itself sends."""

from typing import Any

import pytest

from hyperhive.gateway.model_body import check_body, model_of
from hyperhive.gateway.model_side import ModelSide
from hyperhive.protocol.errors import InvalidField, PolicyRefused

Json = dict[str, Any]
BASE: Json = {
    "model": "m",
    "max_tokens": 1,
    "messages": [{"role": "user", "content": "hi"}],
}


def says(*blocks: object) -> Json:
    return BASE | {"messages": [{"role": "user", "content": list(blocks)}]}


def source(kind: str, block: str = "image", **more: object) -> Json:
    return {"type": block, "source": {"type": kind, **more}}


def result(*blocks: object) -> Json:
    return {"type": "tool_result", "tool_use_id": "t", "content": list(blocks)}


def addition(tool: object) -> Json:
    return {"type": "tool_addition", "tool": tool}


def nested(depth: int, block: Json) -> Json:
    for _ in range(depth):
        block = result(block)
    return block


REFUSED: dict[str, tuple[Json, str]] = {
    "mcp_servers": (BASE | {"mcp_servers": [{"url": "https://evil"}]}, "mcp_servers"),
    "empty mcp_servers": (BASE | {"mcp_servers": []}, "mcp_servers"),
    "container": (BASE | {"container": "c"}, "container"),
    "container none": (BASE | {"container": None}, "container"),
    "thread": (BASE | {"thread": {"type": "create"}}, "thread"),
    "fallbacks": (BASE | {"fallbacks": [{"model": "dear"}]}, "fallbacks"),
    "speed": (BASE | {"speed": "fast"}, "speed"),
    "service tier": (BASE | {"service_tier": "auto"}, "service_tier"),
    "geo": (BASE | {"inference_geo": "us"}, "inference_geo"),
    "unknown key": (BASE | {"Tools": []}, "Tools"),
    "image by url": (says(source("url", url="https://evil")), "url"),
    "image by file": (says(source("file", file_id="f")), "file"),
    "document by url": (says(source("url", "document")), "url"),
    "document of content": (says(source("content", "document", content=[])), "content"),
    "unknown source": (says(source("gopher")), "gopher"),
    "source in upper case": (says(source("BASE64")), "BASE64"),
    "url in a tool result": (says(result(source("url"))), "url"),
    "url in a nested result": (says(nested(5, source("url"))), "url"),
    "url in system": (BASE | {"system": [source("url")]}, "url"),
    "url in a later message": (
        BASE | {"messages": [{"role": "user", "content": "x"}, {"content": [source("url")]}]},
        "url",
    ),
    "uploaded file": (says({"type": "container_upload", "file_id": "f"}), "container_upload"),
    "mcp call": (says({"type": "mcp_tool_use"}), "mcp_tool_use"),
    "mcp listing": (says({"type": "mcp_tool_listing"}), "mcp_tool_listing"),
    "server tool use": (says({"type": "server_tool_use"}), "server_tool_use"),
    "unknown block": (says({"type": "teleport"}), "teleport"),
    "web search": (BASE | {"tools": [{"type": "web_search_20250305"}]}, "web_search"),
    "web fetch": (BASE | {"tools": [{}, {"type": "web_fetch_20250910"}]}, "web_fetch"),
    "code": (BASE | {"tools": [{"type": "code_execution_20250825"}]}, "code_execution"),
    "bash": (BASE | {"tools": [{"type": "bash_20250124"}]}, "bash"),
    "mcp toolset": (BASE | {"tools": [{"type": "mcp_toolset"}]}, "mcp_toolset"),
    "advisor": (BASE | {"tools": [{"type": "advisor_20260301"}]}, "advisor"),
    "custom in upper case": (BASE | {"tools": [{"type": "Custom"}]}, "Custom"),
    "empty type": (BASE | {"tools": [{"type": ""}]}, ""),
    "tool added on the way": (
        says(addition({"type": "tool_definition", "definition": {"type": "web_search_20250305"}})),
        "web_search",
    ),
    "toolset added on the way": (says(addition({"type": "mcp_toolset"})), "mcp_toolset"),
    "tool in a compaction": (
        says(
            {
                "type": "compaction",
                "content": "so far",
                "tool_changes": [
                    addition({"type": "tool_definition", "definition": {"type": "web_fetch_1"}})
                ],
            }
        ),
        "web_fetch_1",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_the_word_that_would_allow_it(case: str) -> None:
    body, word = REFUSED[case]
    with pytest.raises(PolicyRefused) as refused:
        check_body(body, ModelSide())
    assert f"egress.modelSide would have to list {word!r}" in refused.value.message
    assert refused.value.status == 402
    other = "web_fetch" if word != "web_fetch" else "web_search"
    with pytest.raises(PolicyRefused):
        check_body(body, ModelSide((other,)))
    check_body(body, ModelSide((word,)))
    check_body(body, ModelSide(("*",)))


SHAPES: dict[str, tuple[Json, str]] = {
    "messages": (BASE | {"messages": "x"}, "messages"),
    "message": (BASE | {"messages": ["x"]}, "messages[0]"),
    "content": (BASE | {"messages": [{"content": 1}]}, "messages[0].content"),
    "content object": (BASE | {"messages": [{"content": source("url")}]}, "messages[0].content"),
    "block": (says("x"), "messages[0].content[0]"),
    "block type": (says({}), "messages[0].content[0].type"),
    "block type list": (says({"type": ["text"]}), "messages[0].content[0].type"),
    "source": (says({"type": "image", "source": "url"}), "messages[0].content[0].source"),
    "source list": (says({"type": "image", "source": [1]}), "messages[0].content[0].source"),
    "source type": (says({"type": "image", "source": {}}), "messages[0].content[0].source.type"),
    "tools": (BASE | {"tools": {"type": "web_search"}}, "tools"),
    "tool": (BASE | {"tools": ["web_search"]}, "tools[0]"),
    "tool type": (BASE | {"tools": [{"type": 5}]}, "tools[0].type"),
    "system": (BASE | {"system": 5}, "system"),
    "added": (says(addition("x")), "messages[0].content[0].tool"),
    "added none": (
        says(addition({"type": "tool_definition"})),
        "messages[0].content[0].tool.definition[0]",
    ),
    "too deep": (says(nested(30, {"type": "text"})), "messages[0].content"),
}


@pytest.mark.parametrize("case", SHAPES)
def test_a_wrong_shape_is_named(case: str) -> None:
    body, field = SHAPES[case]
    with pytest.raises(InvalidField) as refused:
        check_body(body, ModelSide(("*",)))
    assert refused.value.field.startswith(field)
    if field != "messages[0].content":
        assert refused.value.field == field


@pytest.mark.parametrize(
    "body",
    [
        BASE,
        BASE | {"system": "x", "tools": [], "stream": True},
        BASE | {"tools": [{"name": "Bash", "input_schema": {"type": "object"}}]},
        BASE | {"tools": [{"type": "custom"}, {"type": None}, {"defer_loading": True}]},
        says({"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}),
        says(source("base64", data="AAAA"), source("text", "document", data="x")),
        says(result({"type": "text", "text": "x"}, source("base64"))),
        says({"type": "tool_result", "content": "x"}, {"type": "tool_result"}),
        says({"type": "tool_use", "input": {"source": {"type": "url"}, "type": "web_search"}}),
        says({"type": "search_result", "source": "https://a", "content": [{"type": "text"}]}),
        says({"type": "thinking", "thinking": "x"}, {"type": "redacted_thinking"}),
        says(result({"type": "tool_reference", "tool_name": "Read"})),
        says(addition({"type": "tool_reference", "name": "Read"})),
        says({"type": "tool_removal", "tool": {"type": "tool_reference", "name": "Read"}}),
        says(addition({"type": "tool_definition", "definition": {"name": "Mine"}})),
        says({"type": "compaction", "content": "so far"}, {"type": "compaction", "content": None}),
        BASE | {"context_management": {"edits": [{"type": "clear_thinking_20251015"}]}},
        BASE | {"output_config": {"effort": "high"}, "thinking": {"type": "adaptive"}},
        BASE | {"messages": [{"role": "system", "content": [{"type": "text", "text": "x"}]}]},
    ],
)
def test_what_is_only_words_passes(body: Json) -> None:
    check_body(body, ModelSide())


def test_the_date_of_a_version_may_be_left_out_or_given() -> None:
    body = BASE | {"tools": [{"type": "web_search_20250305"}]}
    for words in (("web_search",), ("web_search_20250305",), ("x", "web_search")):
        check_body(body, ModelSide(words))
    for words in (("web_search_20260209",), ("web",), ("web_search_",), ("WEB_SEARCH",)):
        with pytest.raises(PolicyRefused):
            check_body(body, ModelSide(words))


@pytest.mark.parametrize("body", [None, [], "x", {}, {"model": None}, {"model": ["m"]}])
def test_a_body_names_its_model(body: object) -> None:
    with pytest.raises(InvalidField):
        model_of(body)
