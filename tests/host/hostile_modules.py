"""Configurations that a taken agent may propose: each with where it ends, and what is said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

SENTINEL = "sentinel-5f0c2d9e"
"""What is in every place that nobody of these may read."""
MARKERS = "/tmp/markers"
"""Where anybody may leave a file; whatever runs before an approval would."""
PORT = "@port@"
"""In a text: of a listener on the loopback device."""
HASH = f"sha256-{'A' * 43}="
REVISION = "1" * 40
Stage = Literal["upload", "check", "build", "done"]


@dataclass(frozen=True)
class Module:
    """`stage` is where it ends; what is `done` comes up and did no harm."""

    name: str
    stage: Stage
    why: str
    """A pattern of the reason that is told."""
    files: Mapping[str, str]


def prompt(expression: str) -> str:
    return f"{{ hyperhive.prompt = toString ({expression}); }}"


def builder(script: str, name: str = "package", more: str = "") -> str:
    text = script.replace("\\", "\\\\").replace('"', '\\"').replace("${", "\\${")
    run = f'system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "{text}" ];'
    return f'(derivation {{ name = "{name}"; {run} PATH = "/usr/bin:/bin"; {more} }})'


def package(script: str, name: str = "package", more: str = "") -> str:
    return f"{{ environment.systemPackages = [ {builder(script, name, more)} ]; }}"


def mark(name: str) -> str:
    return f"echo >{MARKERS}/{name}; echo >$out"


def _of(name: str, stage: Stage, why: str, module: str, **files: str) -> Module:
    named = {path.replace("__", "/").replace("_", "."): text for path, text in files.items()}
    return Module(name, stage, why, {"agent.nix": module, **named})


_FORBIDDEN = (
    "forbidden in (restricted|pure)|is forbidden|not allowed|No such file|mismatch|cannot look up"
)
_CLOSED = f"{_FORBIDDEN}|Permission denied"
"""Of /root, which Nix looks at before it asks itself whether it may: the job's user may not."""
_READS = {
    "the passwords": 'builtins.readFile "/etc/shadow"',
    "the database": 'builtins.readFile "/var/lib/hyperhive/service/hive.db"',
    "the service's files": 'builtins.readFile "/var/lib/hyperhive/service/sentinel"',
    "the credential": 'builtins.readFile "/run/credentials/hyperhive.service/credential"',
    "the credential's file": 'builtins.readFile "/etc/hyperhive/credential"',
    "another job": 'builtins.readFile "/var/lib/hyperhive/jobs/888/in/sentinel"',
    "its own job": "builtins.readFile ../../request.json",
    "the agents' homes": 'builtins.attrNames (builtins.readDir "/var/lib/hyperhive/agents")',
    "its own process": 'builtins.readFile "/proc/self/environ"',
    "a directory by a path": 'builtins.path { path = "/root"; name = "x"; }',
    "a directory by a path and a hash": (
        f'builtins.path {{ path = "/root"; name = "x"; sha256 = "{HASH}"; }}'
    ),
    "a directory by a filter": 'builtins.filterSource (path: type: true) "/root"',
    "a directory by its name": '"${/root}"',
    "a directory as a flake": f'builtins.getFlake "path:/root?narHash={HASH}"',
    "a directory as a tree": (
        f'(builtins.fetchTree {{ type = "path"; path = "/root"; narHash = "{HASH}"; }}).outPath'
    ),
    "a path in the store": 'builtins.storePath "/nix/store/00000000000000000000000000000000-x"',
    "NIX_PATH": "builtins.readFile <nixpkgs>",
}
_URL = f"http://127.0.0.1:{PORT}/x"
_GIT = f'rev = "{REVISION}"; ref = "main";'
_FETCHES = {
    "a file": f'builtins.readFile (builtins.fetchurl "{_URL}")',
    "a file with its hash": (
        f'builtins.readFile (builtins.fetchurl {{ url = "{_URL}"; sha256 = "{"0" * 52}"; }})'
    ),
    "an archive": f'builtins.fetchTarball {{ url = "{_URL}"; sha256 = "{"0" * 52}"; }}',
    "a tree": f'builtins.fetchTree {{ type = "tarball"; url = "{_URL}"; narHash = "{HASH}"; }}',
    "a repository": f'builtins.fetchGit {{ url = "{_URL}"; {_GIT} }}',
    "a repository of the host": (
        'builtins.fetchGit { url = "file:///var/lib/hyperhive/service/applied/alice.git"; '
        f"{_GIT} }}"
    ),
    "a repository by a helper": (
        f'builtins.fetchGit {{ url = "ext::sh -c touch% {MARKERS}/ext"; {_GIT} }}'
    ),
    "a repository over ssh": (
        f'builtins.fetchGit {{ url = "ssh://-oProxyCommand=touch {MARKERS}/ssh/x"; {_GIT} }}'
    ),
    "a tree over ssh": (
        f'builtins.fetchTree {{ type = "git"; url = "ssh://-oProxyCommand=touch%20{MARKERS}/tree/x";'
        f' rev = "{REVISION}"; narHash = "{HASH}"; }}'
    ),
    "a flake over http": f'builtins.getFlake "tarball+{_URL}?narHash={HASH}"',
    "a flake of a name": 'builtins.getFlake "nixpkgs"',
    "a repository of mercurial": f'builtins.fetchMercurial "{_URL}"',
}
_RUNS = {
    "a program": f'builtins.exec [ "touch" "{MARKERS}/exec" ]',
    "a library": 'builtins.importNative "/usr/lib/x86_64-linux-gnu/libc.so.6" "puts"',
    "a build": f"import {builder(mark('import'))}",
    "a build that is read": f"builtins.readFile {builder(mark('read'))}",
    "a build that is listed": f"builtins.attrNames (builtins.readDir {builder(mark('list'))})",
}
_GROWS = {
    "calls without end": ("recursion", "let f = x: f (x + 1); in f 0"),
    "a list of a hundred gigabytes": (
        "memory|out of",
        "builtins.length (builtins.genList (x: x) 12500000000)",
    ),
    "lists without end": (
        "10 s|memory|out of",
        "builtins.length (builtins.foldl' (a: b: a ++ a) [ 1 ] (builtins.genList (x: x) 60))",
    ),
    "a text that doubles": (
        "10 s|memory|out of",
        'builtins.stringLength (builtins.foldl\' (a: b: a + a) "x" (builtins.genList (x: x) 60))',
    ),
    "a million attributes, sorted a hundred times": (
        "10 s|memory|out of",
        "let s = n: builtins.listToAttrs (builtins.genList (x: { name = toString (x * n); "
        "value = x; }) 1000000); in map (n: builtins.length (builtins.attrNames (s n))) "
        "(builtins.genList (x: x + 1) 100)",
    ),
    "sums without end": (
        "10 s",
        "builtins.foldl' (a: b: a + builtins.foldl' (c: d: c + d) 0 "
        "(builtins.genList (x: x) 100000)) 0 (builtins.genList (x: x) 100000)",
    ),
    "a pattern that takes exponential time": (
        "10 s|regular expression|overflow|recursion",
        'builtins.match "(a*)*(a*)*(a*)*b" (builtins.concatStringsSep "" '
        '(builtins.genList (x: "a") 2000))',
    ),
    "files in the store": (
        "10 s|more than|full|space",
        'let big = builtins.foldl\' (a: b: a + a) "0123456789" (builtins.genList (x: x) 20); in '
        'builtins.foldl\' (a: b: builtins.seq (builtins.toFile "x" (big + toString b)) b) 0 '
        "(builtins.genList (x: x) 1000000)",
    ),
    "derivations in the store": (
        "10 s|more than|full|space",
        'builtins.foldl\' (a: b: builtins.seq (derivation { name = "x"; system = toString b; '
        'builder = "x"; }).drvPath b) 0 (builtins.genList (x: x) 1000000)',
    ),
    "a trace without end": (
        "more than",
        "builtins.foldl' (a: b: builtins.trace (toString (builtins.genList (x: x) 1000)) b) 0 "
        "(builtins.genList (x: x) 1000000)",
    ),
}

AT_CHECK = [
    *(
        _of(f"reads {what}", "check", _CLOSED if "/root" in it else _FORBIDDEN, prompt(it))
        for what, it in _READS.items()
    ),
    *(_of(f"fetches {what}", "check", "", prompt(it)) for what, it in _FETCHES.items()),
    *(_of(f"runs {what}", "check", "", prompt(it)) for what, it in _RUNS.items()),
    *(_of(f"grows by {what}", "check", why, prompt(it)) for what, (why, it) in _GROWS.items()),
    _of("imports itself", "check", "recursion", "{ imports = [ ./agent.nix ]; }"),
    _of(
        "imports without end",
        "check",
        "recursion",
        "let m = n: { imports = [ (m (n + 1)) ]; }; in m 0",
    ),
    _of(
        "imports ever more",
        "check",
        "10 s|memory|out of|recursion",
        "let m = n: { imports = map (x: m (n + 1)) [ 1 2 3 4 5 6 7 8 ]; }; in m 0",
    ),
    _of(
        "sets the host's options", "check", "containers", "{ containers.x.privateNetwork = false; }"
    ),
    _of("sets Nix's options", "check", "nix", "{ nix.settings.sandbox = false; }"),
    _of(
        "says what a terminal obeys",
        "check",
        "evil",
        'throw (builtins.fromJSON ("\\"evil \\\\u001b[2J\\\\u202e\\\\u0007 end\\""))',
    ),
    _of(
        "has a name with commands",
        "check",
        "invalid|illegal|character",
        package("echo >$out", f"x; touch {MARKERS}/name"),
    ),
    _of("has a name that goes up", "check", "invalid|illegal|character", package("x", "../../x")),
    _of("has a name of a derivation", "check", "drv", package("echo >$out", "x.drv")),
]

LINKS = [
    Module("links out", "upload", "link out", {"agent.nix": "{ }", "secret": "-> /etc/shadow"}),
    Module("links up", "upload", "link out", {"agent.nix": "{ }", "a/up": "-> ../../request.json"}),
    Module("links deep", "upload", "devious", {"agent.nix": "{ }", "a/b": "-> c/../../../x"}),
    Module("is a link", "upload", "missing", {"agent.nix": "-> x", "x": "{ }"}),
]

AT_BUILD = [
    _of("sleeps for ever", "build", "longer than 8 s|timed out", package("sleep 1000")),
    _of(
        "leaves processes",
        "build",
        "longer than 8 s|timed out",
        package("i=0; while [ $i -lt 100 ]; do setsid sleep 1000 & i=$((i+1)); done; wait"),
    ),
    _of("prints without end", "build", "more than", package("yes 'a line of the log of a build'")),
    _of(
        "fills its directory",
        "build",
        "longer than 8 s|timed out",
        package("head -c 1G /dev/zero >big; sleep 1000"),
    ),
    _of("fails on purpose", "build", "no way", package("echo no way; exit 3")),
    _of(
        "fetches in a build",
        "build",
        "have to be fetched",
        package(
            "x",
            more=f'builder = "builtin:fetchurl"; system = "builtin"; url = "{_URL}"; '
            f'outputHash = "{"0" * 64}"; outputHashAlgo = "sha256"; outputHashMode = "flat";',
        ).replace('system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "x" ]; ', ""),
    ),
    _of(
        "is another machine's",
        "build",
        "x86_64|platform|system",
        package("x").replace("x86_64-linux", "riscv64-linux"),
    ),
    _of("makes nothing", "build", "output|produce", package("true")),
    _of(
        "has other settings than it says",
        "build",
        "another settings|has another",
        '{ hyperhive.prompt = builtins.placeholder "out"; }',
    ),
]
_READ = " ".join(
    f"{place} /proc/*/root{place}"
    for place in (
        *("/etc/shadow", "/root/sentinel", "/etc/hyperhive/credential"),
        *("/var/lib/hyperhive/service/sentinel", "/var/lib/hyperhive/jobs/888/in/sentinel"),
    )
)
_WRITE = (
    "/etc/evil /usr/evil /nix/var/nix/gcroots/hyperhive/evil /var/lib/hyperhive/evil "
    "/var/lib/hyperhive/service/evil /var/lib/hyperhive/jobs/evil /run/hyperhive/evil"
)
HARMLESS = [
    _of(
        "asks for the environment",
        "done",
        "",
        prompt('map builtins.getEnv [ "HOME" "PATH" "NIX_CONFIG" "CREDENTIALS_DIRECTORY" ]'),
    ),
    _of(
        "brings a flake",
        "done",
        "",
        "{ }",
        flake_nix='{ nixConfig = { post-build-hook = "'
        f"{MARKERS}/hook"
        '"; sandbox = false; builders = "x"; allow-import-from-derivation = true; plugin-files = '
        '"/x"; }; outputs = _: throw "evil"; }',
        flake_lock='{ "version": 7, "root": "root", "nodes": { "root": { "inputs": {} } } }',
        host_json='{ "name": "manager" }',
        machine_json='{ "system": "evil" }',
        _config__nix__nix_conf=f"post-build-hook = {MARKERS}/hook\n",
    ),
    _of("links within", "done", "", "{ imports = [ ./a ]; }", a="-> b", b="-> c.nix", c_nix="{ }"),
    _of(
        "reads what is not its own",
        "done",
        "",
        package(
            f"for f in {_READ}; do cat $f && echo >>{MARKERS}/read; done; "
            f"for f in {_WRITE}; do echo >$f && echo >>{MARKERS}/wrote; done; echo >$out"
        ),
    ),
]
