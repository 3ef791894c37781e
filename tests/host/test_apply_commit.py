"""The manager changes an agent by a commit: proposed, looked at, approved, in force, or taken back.

Claude Code, git, Nix and systemd are real; the model does what the test says.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable

import pytest

from nested.host import NestedHost
from tests.host.proposing import LARGE, SMALL, proposing
from tests.support.wait import wait_for

pytestmark = [pytest.mark.claude, pytest.mark.nix]

TIMEOUT = 20
BEFORE = f"""\
{{ ... }}: {{
  hyperhive.model = "small";
  hyperhive.allowedBash = [ "echo *" ];
  hyperhive.healthTimeout = {TIMEOUT};
}}
"""
AFTER = BEFORE.replace('"small"', '"large"').replace('"echo *"', '"echo *" "expr *"')


async def test_from_a_commit_to_the_next_turn(
    nested: NestedHost, say: Callable[[str], None]
) -> None:
    async with proposing(nested, {"alice": BEFORE}) as p:
        refused = await p.use("alice", "Bash", command="expr 6 + 8")
        assert refused.failed
        assert "`expr 6 + 8` is not on the allow-list" in refused.output
        assert set(p.puppets.models_of("alice")) == {SMALL}
        assert "Refused" in (await p.use("manager", "Bash", command="ls")).output
        run, (first,) = p.run_of(), (await p.agent())["deploys"]

        commit = await p.commit("alice", AFTER)
        asked = await p.ask("alice", commit, "alice is to count")
        answer = json.loads(asked.output)
        assert (answer["state"], answer["commit"][: len(commit)]) == ("checking", commit)
        approval = await p.checked(answer["id"])
        bound = approval["binding"]
        assert (approval["state"], approval["description"]) == ("pending", "alice is to count")
        assert (bound["commit"], bound["base"]) == (answer["commit"], first["commit"])
        assert p.git("rev-parse", f"proposal/{answer['id']}") == answer["commit"]
        assert (await p.agent())["settings"]["model"] == "small"  # nothing yet

        shown = await p.cli("diff", str(answer["id"]))
        assert re.search(r"^! wider +allowedBash +expr \*", shown, re.M), shown
        assert "other     model" in shown
        assert '+  hyperhive.model = "large";' in shown
        of_it = ("--commit", answer["commit"])
        await p.cli("approve", str(answer["id"]), "--note", "go on", *of_it)
        deploy = await p.over(answer["id"])
        assert (deploy["state"], deploy["kind"], deploy["error"]) == ("done", "change", "")
        say(f"approved to in force: {deploy['seconds']} s;")
        assert p.run_of() == run  # only settings: no restart
        for tag in ("approved", "building", "deployed"):
            assert p.git("rev-parse", f"{tag}/{answer['id']}") == answer["commit"]
        assert p.git("rev-parse", "main") == answer["commit"]

        assert await p.bash("alice", "expr 6 + 8") == "14"
        assert p.puppets.answered[-1].agent == "alice"
        assert p.puppets.models_of("alice")[-1] == LARGE
        of = {"agent": "alice", "sha": answer["commit"]}
        approved = await p.told("approval_resolved", status="approved", **of)
        assert (approved["tag"], approved["note"]) == (f"approved/{answer['id']}", "go on")
        rebuilt = await p.told("rebuilt", ok=True, **of)
        assert (rebuilt["deploy"], rebuilt["tag"]) == (answer["id"], f"deployed/{answer['id']}")
        await p.idle("manager")
        clone = await p.bash("manager", "git -C /workspace/agents/alice rev-parse applied/main")
        assert clone == answer["commit"]
        refusals = [e for e in await p.events() if e["kind"] == "turn_tool_refused"]
        assert [e["agent"] for e in refusals] == ["alice", "manager"]


SERVER = "hyperhive.extraMcpServers.abacus"
GONE = f'{SERVER}.command = "/no/such/program";'
SILENT = f'{SERVER} = {{ command = "/usr/bin/sleep"; args = [ "1000" ]; }};'
ANOTHER = 'environment.systemPackages = [ (builtins.toFile "news" "of the system") ];'
# The small flake links packages with a shell that takes this for two commands.
DEAD = 'environment.systemPackages = [ "/ $out/packages/root; ln -sfn /bin/false $out/init #" ];'


def with_(text: str, more: str) -> str:
    return text.replace("}}: {".replace("}}", "}"), f"}}: {{\n  {more}")


@pytest.mark.parametrize(
    ("broken", "restarted", "why"),
    [
        (GONE, False, "abacus"),
        (SILENT, False, "not healthy within 10 s"),
        (f"{ANOTHER} {SILENT}", True, f"not healthy within {TIMEOUT} s"),
        (DEAD, True, "init '/bin/false' is not below what containers see"),
    ],
    ids=["server-gone", "server-silent", "restart-silent", "restart-dead"],
)
async def test_what_breaks_the_agent_is_taken_back(
    nested: NestedHost, say: Callable[[str], None], broken: str, restarted: bool, why: str
) -> None:
    async with proposing(nested, {"alice": BEFORE}) as p:
        run, (first,) = p.run_of(), (await p.agent())["deploys"]
        approval = await p.propose("alice", with_(BEFORE, broken))
        number, commit = approval["id"], approval["binding"]["commit"]
        tag = f"failed/{number}"
        p.puppets.reflexes[tag] = f"git -C /workspace/agents/alice show -s {tag}"
        began = time.monotonic()
        await p.cli("approve", str(number))
        words = [await p.send("alice", "Bash", command=f"echo {n}") for n in range(3)]
        deploy = await p.over(number)
        back = time.monotonic() - began
        words += [await p.send("alice", "Bash", command=f"echo {n}") for n in range(3, 6)]
        printed = [(await p.came_of(word)).output for word in words]
        took = time.monotonic() - began
        say(f"approved to taken back: {back:.1f} s, to all mail answered: {took:.1f} s;")
        say(f"{deploy['error']!r};")
        assert (deploy["state"], printed) == ("rolled_back", [str(n) for n in range(6)])
        assert why in deploy["error"]
        assert back < TIMEOUT + 10
        assert (p.run_of() != run) == restarted
        await p.idle("alice")
        agent = await p.agent()
        assert (agent["deploy"], agent["settings"]["extraMcpServers"]) == (first["id"], {})
        assert p.git("rev-parse", "main") == first["commit"]

        told = await p.told("rolled_back", agent="alice", sha=commit, tag=tag)
        assert (told["ok"], told["note"]) == (False, deploy["error"])
        shown = (await p.came_of(tag)).output  # as soon as it was told
        assert deploy["error"].split("\n")[0] in shown
        assert commit in shown
        commands = [e["data"]["text"] for e in await p.events() if e["kind"] == "turn_tool_use"]
        assert [sum(f"echo {n}" in text for text in commands) for n in range(6)] == [1] * 6


@pytest.mark.parametrize("restarted", [False, True], ids=["live", "restart"])
async def test_an_outage_of_the_api_alone_takes_nothing_back(
    nested: NestedHost, say: Callable[[str], None], restarted: bool
) -> None:
    async with proposing(nested, {"alice": BEFORE}) as p:
        run = p.run_of()
        approval = await p.propose("alice", with_(AFTER, ANOTHER) if restarted else AFTER)
        await p.idle("manager")
        p.puppets.is_overloaded = True
        word = await p.send("alice", "Bash", command="expr 6 + 8")
        await wait_for(lambda: "alice" in p.puppets.refused, 20.0, "a refusal")
        await p.cli("approve", str(approval["id"]))
        deploy = await p.over(approval["id"])
        say(f"in force after {deploy['seconds']} s;")
        assert (deploy["state"], deploy["error"]) == ("done", "")
        assert (p.run_of() != run) == restarted
        assert word not in p.puppets.results
        assert (await p.agent())["waiting"] == 1
        p.puppets.is_overloaded = False
        await p.cli("start", "alice")  # or it would hold back for a minute
        assert await p.bash("alice", "expr 7 + 8") == "15"
        assert (await p.came_of(word)).output == "14"


async def test_an_api_that_is_not_there_takes_nothing_back(nested: NestedHost) -> None:
    async with proposing(nested, {"alice": BEFORE}) as p:
        approval = await p.propose("alice", with_(AFTER, ANOTHER))
        await p.idle("manager")
        await p.end_model()
        await p.send("alice", "Bash", command="expr 6 + 8")
        await p.cli("approve", str(approval["id"]))
        deploy = await p.over(approval["id"])
        assert (deploy["state"], deploy["error"]) == ("done", "")
        held = await wait_for(p.held, 60.0, "the gateway's word that nobody answers")
        assert held["hold"]["reason"] == "unreachable"
        assert held["waiting"] == 1
