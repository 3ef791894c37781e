"""The page on the configuration names every option with its default, and its examples hold."""

from __future__ import annotations

import re

import pytest

from hyperhive.config import AgentConfig, Config
from hyperhive.config.file import MAX_CONFIG
from hyperhive.config.options import (
    BudgetConfig,
    DashboardConfig,
    GatewayConfig,
    MailConfig,
    ModelConfig,
    NixConfig,
    PricesConfig,
    RetentionConfig,
    RuntimeConfig,
)
from hyperhive.config.values import MAX_RUN_DIR
from hyperhive.protocol.bundle import AgentSettings, Context, Egress, Limits, McpServer, Notes
from hyperhive.protocol.limits import Ceilings
from hyperhive.protocol.model import RESERVED_NAMES
from hyperhive.protocol.schema import camel, fields_of, is_required
from tests.config.complete import EXAMPLES, PAGE

TABLES = {
    Config: "The hive",
    ModelConfig: "`models.ALIAS`",
    DashboardConfig: "`dashboard`",
    RuntimeConfig: "`runtime`",
    NixConfig: "`nix`",
    GatewayConfig: "`gateway`",
    MailConfig: "`mail`",
    RetentionConfig: "`retention`",
    AgentConfig: "An agent",
    Ceilings: "`limits`",
    AgentSettings: "`settings`",
}
IN_A_ROW = (PricesConfig, BudgetConfig, McpServer, Egress, Limits, Notes, Context)


def rows(title: str) -> dict[str, list[str]]:
    """Option -> type, default, meaning, of the table under this heading."""
    section = re.split(r"^##+ ", PAGE, flags=re.MULTILINE)
    (text,) = [s for s in section if s.startswith(f"{title}\n")]
    found = re.findall(r"^\| `(\w+)` \|(.*)\|$", text, re.MULTILINE)
    return {name: [cell.strip() for cell in rest.split("|")] for name, rest in found}


@pytest.mark.parametrize("cls", TABLES)
def test_every_option_has_its_row(cls: type) -> None:
    table = rows(TABLES[cls])
    assert list(table) == sorted(table, key=list(table).index)
    assert set(table) == {camel(name) for name in fields_of(cls)}
    for option, (kind, _, meaning) in table.items():
        assert kind, option
        assert meaning, option


@pytest.mark.parametrize("cls", TABLES)
def test_defaults_are_the_real_ones(cls: type) -> None:
    table = rows(TABLES[cls])
    for name, (_, field) in fields_of(cls).items():
        said = table[camel(name)][1]
        if is_required(field):
            assert said == "required", name
        elif isinstance(field.default, bool):
            assert said == f"`{str(field.default).lower()}`", name
        elif isinstance(field.default, int | float):
            assert said == f"`{field.default:g}`" or said == f"`{field.default}`", name
        elif isinstance(field.default, str) and field.default:
            assert said == f"`{field.default}`", name


@pytest.mark.parametrize("cls", IN_A_ROW)
def test_options_within_an_option_are_named(cls: type) -> None:
    assert [n for n in map(camel, fields_of(cls)) if f"`{n}`" not in PAGE] == []


def test_limits_and_names_are_the_real_ones() -> None:
    assert f"at most {MAX_RUN_DIR} bytes" in PAGE
    assert f"at most {MAX_CONFIG // 1024**2} MiB" in PAGE
    assert [name for name in RESERVED_NAMES if f"`{name}`" not in PAGE] == []
    assert f"`{Notes().compact_above}`" in PAGE
    assert f"`{Context().compact_at}`" in PAGE
    assert f"`[{', '.join(AgentSettings().allowed_tools)}]`" in PAGE


def test_the_examples_are_the_smallest_and_the_whole() -> None:
    smallest, whole = (set(re.findall(r"^(\w+):", text, re.MULTILINE)) for text in EXAMPLES)
    options = fields_of(Config)
    assert whole == {camel(name) for name in options}
    assert smallest == {camel(n) for n, (_, field) in options.items() if is_required(field)}
