"""Reads the configuration file once and checks it whole."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hyperhive import strict_yaml
from hyperhive.config.options import Config
from hyperhive.config.references import check_references
from hyperhive.protocol.errors import InvalidField
from hyperhive.protocol.schema import parse

MAX_CONFIG = 1024 * 1024
"""Bytes."""


def load(path: Path) -> Config:
    """Read and check a configuration file.

    Raises InvalidField naming file and field, or, where the YAML itself is at fault, InvalidFrame
    with line and column, or TooLarge.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CONFIG + 1)
    except OSError as error:
        raise InvalidField(str(path), f"cannot be read: {error.strerror}") from None
    document = strict_yaml.loads(data, str(path), MAX_CONFIG)
    try:
        return read(document)
    except InvalidField as error:
        where = f"{path}: {error.field}" if error.field else str(path)
        raise InvalidField(where, error.problem) from None


def read(document: object) -> Config:
    """Check plain data; raises InvalidField."""
    if not isinstance(document, Mapping):
        raise InvalidField("", "must be a mapping of options to values")
    config = parse(Config, document, camel_case=True)
    check_references(config)
    return config
