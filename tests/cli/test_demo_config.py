"""What a demo's service is configured with, as the service and as a person read it."""

from pathlib import Path

from hyperhive.cli.demo_config import write_config
from hyperhive.config.file import load

PLACES = {
    "stateDir": "/var/lib/x/service",
    "runDir": "/run/x",
    "agentsDir": "/var/lib/x/agents",
    "credentialFile": "/etc/x/credential",
}


def test_it_is_read_as_it_was_meant(tmp_path: Path) -> None:
    write_config(tmp_path / "config.yaml", PLACES, "http://127.0.0.1:9", 8080)
    config = load(tmp_path / "config.yaml")
    assert (config.upstream, config.dashboard.port) == ("http://127.0.0.1:9", 8080)
    assert str(config.state_dir) == PLACES["stateDir"]
    assert config.default_model == "sonnet"


def test_a_person_finds_an_option_to_a_line(tmp_path: Path) -> None:
    write_config(tmp_path / "config.yaml", PLACES, "http://127.0.0.1:9", 8080)
    lines = (tmp_path / "config.yaml").read_text().splitlines()
    assert lines[0] == "models:"
    assert {"defaultModel: sonnet", "dashboard:", "  port: 8080", "runDir: /run/x"} <= set(lines)
