"""What `check-config` says of a right file whose secrets are not."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Run
from tests.config.test_options import SMALLEST


def test_check_config_warns_of_secrets(anywhere: Run, tmp_path: Path) -> None:
    secret, token, config = tmp_path / "key", tmp_path / "token", tmp_path / "config.yaml"

    def warnings(credential: str, **more: object) -> list[str]:
        config.write_text(json.dumps({**SMALLEST, "credentialFile": credential, **more}))
        result = anywhere("check-config", str(config))
        assert (result.code, result.out) == (0, f"{config}: ok\n")
        return result.err.splitlines()

    dashboard = {"tokenFile": str(token)}
    assert warnings(str(secret), dashboard=dashboard) == [
        f"warning: credentialFile: {secret} cannot be read: No such file or directory",
        f"warning: dashboard.tokenFile: {token} cannot be read: No such file or directory",
    ]
    for path in (secret, token):
        path.write_text("sk-secret\n")
        path.chmod(0o644)
    assert warnings(str(secret), dashboard=dashboard) == [
        f"warning: {field}: {path} can be read by others; run: chmod 600 {path}"
        for field, path in (("credentialFile", secret), ("dashboard.tokenFile", token))
    ]
    for path in (secret, token):
        path.chmod(0o600)
    assert warnings(str(secret), dashboard=dashboard) == []


def test_what_systemd_hands_over_is_not_looked_for(anywhere: Run, tmp_path: Path) -> None:
    """It is there while the service runs, and for it alone."""
    config = tmp_path / "config.yaml"
    handed = "/run/credentials/hyperhive.service/credential"
    config.write_text(json.dumps({**SMALLEST, "credentialFile": handed}))
    result = anywhere("check-config", str(config))
    assert (result.code, result.err) == (0, "")
