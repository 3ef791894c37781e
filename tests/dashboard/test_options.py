"""Addresses under which the dashboard answers."""

from dataclasses import replace
from typing import cast

import pytest

from hyperhive.dashboard.options import DashboardOptions
from hyperhive.hive.gauge import Gauge
from hyperhive.hive.ports import Usage
from hyperhive.hive.terminals import Terminals
from hyperhive.protocol.errors import InvalidField


async def no_usage(_: str) -> Usage:
    return Usage()


async def no_logs(*_: object) -> list[str]:
    return []


OPTIONS = DashboardOptions(
    host="127.0.0.1",
    port=7000,
    runtime_kind="local",
    push=lambda agent, push: True,
    gauge=Gauge(no_usage),
    logs=no_logs,
    terminals=cast(Terminals, None),
)


def test_loopback_names_are_always_known() -> None:
    assert OPTIONS.origins() == {
        "127.0.0.1:7000": "http://127.0.0.1:7000",
        "localhost:7000": "http://localhost:7000",
        "[::1]:7000": "http://[::1]:7000",
    }


@pytest.mark.parametrize(
    ("entry", "host", "origin"),
    [
        ("hive.lan:7000", "hive.lan:7000", "http://hive.lan:7000"),
        ("hive.lan", "hive.lan", "http://hive.lan"),
        ("hive.lan:80", "hive.lan", "http://hive.lan"),
        ("https://Hive.Example", "hive.example", "https://hive.example"),
        ("https://hive.example:443", "hive.example", "https://hive.example"),
        ("https://hive.example:8443", "hive.example:8443", "https://hive.example:8443"),
        ("http://[fd00::1]:7000", "[fd00::1]:7000", "http://[fd00::1]:7000"),
    ],
)
def test_further_addresses(entry: str, host: str, origin: str) -> None:
    assert replace(OPTIONS, allowed_hosts=(entry,)).origins()[host] == origin


@pytest.mark.parametrize(
    "entry", ["", "*", "*.lan", "a b", "ftp://a", "https://a/", "a:b", "a\n", "https://a@b", "a,b"]
)
def test_what_is_no_address_is_named(entry: str) -> None:
    with pytest.raises(InvalidField) as refused:
        replace(OPTIONS, allowed_hosts=("fine", entry)).origins()
    assert refused.value.field == "dashboard.allowedHosts[1]"
