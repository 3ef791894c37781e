"""Each mistake has one sentence with its place and what to do about it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.nix.hosts import problems_of
from tests.support.nix import ROOT

pytestmark = pytest.mark.nixlib

HERE = "services.hyperhive"
AGENTS = ROOT / "tests/nix/stubs/agents"


def alice(**options: Any) -> dict[str, Any]:
    return {"agents": {"alice": options}}


OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "a bad name": (
        {"agents": {"Alice": {}}},
        f"{HERE}.agents.Alice: `Alice` is no name for an agent; use 1 to 20 of a-z, 0-9 and `-`,"
        " beginning with a letter and not ending with `-`",
    ),
    "a reserved name": (
        {"agents": {"operator": {}}},
        f"{HERE}.agents.operator: `operator` is reserved; choose another name",
    ),
    "the manager among the agents": (
        {"agents": {"manager": {}}},
        f"{HERE}.agents.manager: the manager is configured under {HERE}.manager; move this there",
    ),
    "a pattern that means more than it says": (
        alice(allowedBash=["git*"]),
        f"{HERE}.agents.alice.allowedBash: `git*`: may have `*` only as its last word;"
        " did you mean `git *`?",
    ),
    "a pattern of the manager": (
        {"manager": {"allowedBash": ["a | b"]}},
        f"{HERE}.manager.allowedBash: `a | b`: contains the shell operator `|`:"
        " a pattern is one simple command",
    ),
    "a tool that is none": (
        alice(allowedTools=["Bash(git *)"]),
        f"{HERE}.agents.alice.allowedTools: `Bash(git *)` must be the name of a Claude Code tool,"
        " such as `Read`, or `*`",
    ),
    "an unknown recipient": (
        alice(allowedRecipients=["manager", "operator", "alice", "bob"]),
        f"{HERE}.agents.alice.allowedRecipients: there is no agent `bob`; declare it as"
        f" {HERE}.agents.bob, or take it out",
    ),
    "a server named as ours": (
        {"agentDefaults": {"extraMcpServers": {"hyperhive": {"command": "x"}}}},
        f"{HERE}.agentDefaults.extraMcpServers: `hyperhive` is the name of the built-in server;"
        " choose another one",
    ),
    "a server with a bad name": (
        alice(extraMcpServers={"A": {"command": "x"}}),
        f"{HERE}.agents.alice.extraMcpServers: `A` is no name for a server; use a-z, 0-9 and"
        " single - or _, at most 40",
    ),
    "a host without a port": (
        alice(egress={"allow": ["pypi.example"]}),
        f"{HERE}.agents.alice.egress.allow: `pypi.example` must be host:port, such as"
        " `pypi.example:443` or `*.example.org:443`",
    ),
    "a long prompt": (
        alice(prompt="x" * 65_537),
        f"{HERE}.agents.alice.prompt: has more than 65536 bytes; put the rest into a file of the"
        " agent's workspace",
    ),
    "a capability that is an option": (
        alice(capabilities=["manage", "propose"]),
        f"{HERE}.agents.alice.capabilities: there is no `propose`; set"
        f" {HERE}.agents.alice.selfPropose = true, with which the agent may propose changes of"
        " itself",
    ),
    "no models": (
        {"models": {}, "defaultModel": "x"},
        f"{HERE}.models: is empty; name a model, such as {HERE}.models.sonnet.id ="
        ' "claude-sonnet-5-5"',
    ),
    "several models and no default": (
        {"models": {"a": {"id": "A"}, "b": {"id": "B"}}},
        f"{HERE}.defaultModel: is missing; set it to one of a, b",
    ),
    "an unknown default model": (
        {"defaultModel": "opus"},
        f"{HERE}.defaultModel: `opus` is not in {HERE}.models; add it there, or use one of sonnet",
    ),
    "an unknown helper model": (
        {"helperModel": "haiku"},
        f"{HERE}.helperModel: `haiku` is not in {HERE}.models; add it there, or use one of sonnet",
    ),
    "an unknown model of an agent": (
        alice(model="opus"),
        f"{HERE}.agents.alice.model: `opus` is not in {HERE}.models; add it there,"
        " or use one of sonnet",
    ),
    "an unknown fallback model": (
        alice(fallbackModel="opus"),
        f"{HERE}.agents.alice.fallbackModel: `opus` is not in {HERE}.models; add it there,"
        " or use one of sonnet",
    ),
    "one model under two names": (
        {"models": {"a": {"id": "A"}, "b": {"id": "A"}}, "defaultModel": "a"},
        f"{HERE}.models: `A` is a name of two models; keep one of them, since budgets count by it",
    ),
    "an id that is another model's alias": (
        {"models": {"a": {"id": "A"}, "b": {"id": "a"}}, "defaultModel": "a"},
        f"{HERE}.models: `a` is a name of two models; keep one of them, since budgets count by it",
    ),
    "a limit above the ceiling": (
        {**alice(limits={"memoryMax": "8G"}), "limits": {"memoryMax": "4G"}},
        f"{HERE}.agents.alice.limits.memoryMax: 8589934592 is above the ceiling of 4294967296;"
        f" raise {HERE}.limits.memoryMax or lower this",
    ),
    "a bind mount over the agent's own": (
        alice(bindMounts={"/home": {"hostPath": "/srv/home"}}),
        f"{HERE}.agents.alice.bindMounts: `/home` would cover /home/agent; choose another path in"
        " the container",
    ),
    "a bind mount with a colon": (
        alice(bindMounts={"/data": {"hostPath": "/srv/a:b"}}),
        f"{HERE}.agents.alice.bindMounts: `/srv/a:b` is no plain absolute path; use one of letters,"
        " digits and ._+=@- without `..`",
    ),
    "a device that is none": (
        alice(devices=["/sys/kvm"]),
        f"{HERE}.agents.alice.devices: `/sys/kvm` is no device; give a path below /dev",
    ),
    "the dashboard on the network": (
        {"dashboard": {"host": "192.0.2.1"}},
        f"{HERE}.dashboard.allowedHosts: is missing; list the address of the dashboard as it stands"
        " in browsers",
    ),
    "a credential in the store": (
        {"credentialFile": "/nix/store/00000000000000000000000000000000-key"},
        f"{HERE}.credentialFile: /nix/store/00000000000000000000000000000000-key is in the Nix"
        " store, where everybody can read it; give the path of a file outside as text, such as"
        ' "/run/secrets/hyperhive"',
    ),
    "a token in the store": (
        {"dashboard": {"tokenFile": "/nix/store/00000000000000000000000000000000-key"}},
        f"{HERE}.dashboard.tokenFile: /nix/store/00000000000000000000000000000000-key is in the Nix"
        " store, where everybody can read it; give the path of a file outside as text, such as"
        ' "/run/secrets/hyperhive"',
    ),
}

MODULES = {
    "a module in place": (
        f"{{ {HERE}.agents.alice.module = {{ pkgs, ... }}: {{ }}; }}",
        f"{HERE}.agents.alice.module: must be a path, since a module in place cannot be written to"
        " git; put it into a file and give its path, such as ./agent.nix",
    ),
    "options in place of a module": (
        f'{{ {HERE}.agents.alice.module.hyperhive.prompt = "x"; }}',
        f"{HERE}.agents.alice.module: must be a path, since a module in place cannot be written to"
        " git; put it into a file and give its path, such as ./agent.nix",
    ),
    "a directory without agent.nix": (
        f"{{ {HERE}.manager.module = {AGENTS}; }}",
        f"{HERE}.manager.module: {AGENTS} has no agent.nix; add it, or give the path of the file",
    ),
    "a path where nothing is": (
        f"{{ {HERE}.agents.alice.module = {AGENTS}/nobody.nix; }}",
        f"{HERE}.agents.alice.module: {AGENTS}/nobody.nix does not exist; create it, and in a flake"
        " add it to git",
    ),
    "a port of sshd": (
        f"{{ {HERE}.dashboard.port = 2222;"
        " services.openssh = { enable = true; ports = [ 2222 ]; }; }",
        f"{HERE}.dashboard.port: services.openssh listens on 2222 already; choose another port",
    ),
    "a port of nginx": (
        f"{{ {HERE}.dashboard.port = 443; services.nginx.enable = true; }}",
        f"{HERE}.dashboard.port: services.nginx listens on 443 already; choose another port",
    ),
    "no Nix": (
        "{ nix.enable = false; }",
        "nix.enable: agents are built with Nix; set it to true",
    ),
    "no sandbox": (
        "{ nix.settings.sandbox = false; }",
        "nix.settings.sandbox: builds of agents could read the host's files; set it to true",
    ),
    "a relaxed sandbox": (
        '{ nix.settings.sandbox = "relaxed"; }',
        "nix.settings.sandbox: builds of agents could read the host's files; set it to true",
    ),
    "everybody is trusted": (
        '{ nix.settings.trusted-users = [ "root" "*" ]; }',
        "nix.settings.trusted-users: `*` makes who builds agents as good as root; take it out",
    ),
    "nobody may build": (
        '{ nix.settings.allowed-users = [ "@wheel" ]; }',
        'nix.settings.allowed-users: agents cannot be built; add "hyperhive-build"',
    ),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_what_is_wrong_with_an_option(case: str) -> None:
    options, said = OPTIONS[case]
    assert problems_of(options) == [said]


@pytest.mark.parametrize("case", MODULES)
def test_what_is_wrong_with_a_configuration(case: str) -> None:
    module, said = MODULES[case]
    assert problems_of({}, module) == [said]


def test_every_assertion_is_seen_to_fire() -> None:
    """Whoever adds one adds a case: what it says is in none of those above."""
    files = sorted((ROOT / "nix/host").glob("assertions-*.nix"))
    source = "".join(file.read_text() for file in files).replace('\\"', "'")
    # What a reader is told, up to where values stand.
    texts = [text for text in re.findall(r'"([^"\n]*)"', source) if " " in text]
    said = [re.split(r"\$\{[^}]*\}*\}", text) for text in texts]
    shown = " ".join(case for _, case in (*OPTIONS.values(), *MODULES.values())).replace('"', "'")
    assert len(said) > 35
    assert [text for text in said if not all(part in shown for part in text)] == []


def test_what_is_right_raises_nothing() -> None:
    options = {
        "agents": {
            "alice": {"allowedRecipients": ["bob", "*"], "model": "claude-sonnet-5-5"},
            "bob": {},
        },
        "dashboard": {"host": "0.0.0.0"},
        "limits": {"memoryMax": None},
        "manager": {"limits": {"memoryMax": "64G"}, "bindMounts": {"/data": {"hostPath": "/srv"}}},
    }
    sshd = "{ services.openssh.enable = true; services.nginx.enable = true; }"
    assert problems_of(options, sshd) == []
