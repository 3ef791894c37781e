"""Reads the model credential; it stays in this process."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from hyperhive.config import Config
from hyperhive.protocol.errors import InvalidField

CredentialKind = Literal["api_key", "oauth_token"]
_REAL_PREFIX = "sk-ant-"
_OAUTH_PREFIX = f"{_REAL_PREFIX}oat"
_MAX_BYTES = 16 * 1024
_HANDED_OVER = "/run/credentials/"
"""Where systemd puts credentials of units (systemd.exec(5))."""


@dataclass(frozen=True, slots=True)
class Credential:
    """`value` is kept out of every representation."""

    kind: CredentialKind
    value: str = field(repr=False)

    @property
    def looks_real(self) -> bool:
        """Whether it may be worth money."""
        return self.value.startswith(_REAL_PREFIX)


def credential_of(config: Config, unsafe_local: bool) -> Credential:
    """What the configuration names. Raises InvalidField, also where it would be in danger."""
    credential = read_credential(Path(config.credential_file))
    if config.runtime.kind == "nspawn":
        return credential
    if (config.upstream.startswith("https://") or credential.looks_real) and not unsafe_local:
        raise InvalidField(
            "runtime.kind",
            "`local` has no containers: with a real credential agents come near your files and "
            "your key; use --unsafe-local if you accept that, or in a demo --scripted",
        )
    return credential


def read_credential(path: Path) -> Credential:
    """An API key or a long-lived OAuth token, told apart by its prefix.

    Raises InvalidField when the file is missing, not a single token, or readable by others.
    """
    token = _read_secret(path, "credentialFile")
    return Credential("oauth_token" if token.startswith(_OAUTH_PREFIX) else "api_key", token)


def read_token(path: str | None) -> str | None:
    """The dashboard's fixed token, if there is one. Raises InvalidField like read_credential."""
    return _read_secret(Path(path), "dashboard.tokenFile") if path else None


def secret_problems(config: Config) -> list[str]:
    """Why `serve` would refuse the files with secrets that the configuration names.

    What systemd hands to the service is there only while that runs, and is not looked for.
    """
    found = []
    for name, path in (
        ("credentialFile", config.credential_file),
        ("dashboard.tokenFile", config.dashboard.token_file),
    ):
        try:
            if path and not path.startswith(_HANDED_OVER):
                _read_secret(Path(path), name)
        except InvalidField as error:
            found.append(error.message)
    return found


def _read_secret(path: Path, field: str) -> str:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise InvalidField(field, f"{path} cannot be read: {error.strerror}") from None
    # systemd's own copy for this service alone (LoadCredential=, systemd.exec(5)) is root's, and
    # opened to us by an ACL, which shows as the group's bits.
    given = os.environ.get("CREDENTIALS_DIRECTORY")
    if mode & 0o077 and not (given and path.parent == Path(given)):
        raise InvalidField(field, f"{path} can be read by others; run: chmod 600 {path}")
    text = data.decode("ascii", errors="replace").strip()
    if len(data) > _MAX_BYTES or not re.fullmatch(r"[\x21-\x7e]+", text):
        raise InvalidField(field, f"{path} must hold one token on one line")
    return text
