"""Changes that cannot be built: each is stopped by its limit, and what runs goes on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nested.host import NestedHost
from tests.host.test_deploys import MODULE, built, declared, module, redeclared

pytestmark = pytest.mark.nix

PACKAGE = """\
{{ ... }}: {{
  environment.systemPackages = [
    (derivation {{
      name = "package";
      system = "x86_64-linux";
      builder = "/bin/sh";
      args = [ "-c" "{script}" ];
      PATH = "/usr/bin:/bin";
    }})
  ];
}}
"""
FAILS = PACKAGE.format(script="echo no way; exit 3")
HANGS = PACKAGE.format(script="sleep 1000")
FLOODS = PACKAGE.format(script="head -c 1000000000 /dev/zero | tr '\\0' x | fold -w 1000; >$out")
RECURSES = "{ ... }: let f = x: 1 + f (x + 1); in { hyperhive.prompt = toString (f 0); }"
NEVER_ENDS = """\
{ ... }: {
  hyperhive.prompt = toString (builtins.foldl' (a: b: a + builtins.foldl' (c: d: c + d) 0
    (builtins.genList (x: x) 100000)) 0 (builtins.genList (x: x) 100000));
}
"""
LIMITS = {"evalSeconds": 10, "buildSeconds": 8}


async def test_the_old_bundle_runs_on(nested: NestedHost, say: Callable[[str], None]) -> None:
    always = declared(apply="always")
    async with built(nested, always, MODULE.format(prompt="one", timeout=60)) as b:
        assert (await b.over(0))["state"] == "done"
        run = b.hive.unit("alice", "InvocationID")
        found = {}
        wrong = {
            "fails": FAILS,
            "hangs": HANGS,
            "floods": FLOODS,
            "recurses": RECURSES,
            "never ends": NEVER_ENDS,
        }
        for number, (what, text) in enumerate(wrong.items(), 1):
            module(b.hive, text)
            async with redeclared(b, always, nix={"flake": "/opt/hyperhive/flake", **LIMITS}) as b:
                deploy = await b.over(number)
                assert deploy["state"] == "failed", what
                found[what] = deploy["error"]
                say(f"{what}: {deploy['seconds']} s;")
                assert b.hive.unit("alice", "InvocationID") == run
                assert (await b.agent())["settings"]["prompt"] == "one"
        assert "no way" in found["fails"]
        assert "8 s" in found["hangs"]
        assert "more than" in found["floods"]
        assert "recurs" in found["recurses"]
        assert "10 s" in found["never ends"]
