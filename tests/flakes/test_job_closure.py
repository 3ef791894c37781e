"""What a proposed system consists of, with a stand-in for Nix; the real one is in tests/host."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from hyperhive.flakes import job_closure
from hyperhive.flakes.job_closure import closure, listed, makes, names, planned
from hyperhive.flakes.process import Sink
from hyperhive.protocol.builds import Closure
from hyperhive.protocol.schema import parse

A, B, C, D = ("/nix/store/" + letter * 32 for letter in "abcd")
DRV, SYSTEM, RUNNING = f"{D}-alice-bundle.drv", f"{A}-system", f"{B}-system"


class Store:
    """Answers as `nix-store` does, of the paths with their sizes and what they need."""

    def __init__(self) -> None:
        self.sizes: dict[str, int] = {}
        self.needs: dict[str, list[str]] = {}
        self.plans: dict[str, str] = {}
        self.asked: list[list[str]] = []

    def add(self, path: str, size: int, *needs: str) -> None:
        self.sizes[path] = size
        self.needs[path] = [*needs, path]

    async def __call__(self, argv: Sequence[str], output: Sink, errors: Sink) -> int:
        self.asked.append(list(argv))
        match argv:
            case ["nix-store", "--query", "--requisites", path] if path in self.needs:
                output("".join(f"{each}\n" for each in self.needs[path]).encode())
            case ["nix-store", "--query", "--size", *paths] if self.sizes.keys() >= set(paths):
                output("".join(f"{self.sizes[path]}\n" for path in paths).encode())
            case ["nix-store", "--realise", "--dry-run", drv] if drv in self.plans:
                errors(self.plans[drv].encode())
            case _:
                errors(b"error: path is not valid\n")
                return 1
        return 0


@pytest.fixture
def store() -> Store:
    made = Store()
    made.add(f"{C}-git-2.44.0", 100)
    made.add(f"{C}-jq-1.7", 10)
    made.add(RUNNING, 1, f"{C}-git-2.44.0")
    made.add(SYSTEM, 2, f"{C}-jq-1.7")
    return made


async def found(store: Store, running: str | None = RUNNING) -> Closure | None:
    """As the service reads it."""
    told = await closure(store, DRV, SYSTEM, running)
    return None if told is None else parse(Closure, told, camel_case=True)


async def test_a_system_that_is_built_already(store: Store) -> None:
    assert await found(store) == Closure(
        built=True,
        added=("jq-1.7",),
        removed=("git-2.44.0",),
        size_before=101,
        size_after=12,
    )


async def test_the_same_system_is_asked_about_once(store: Store) -> None:
    assert await found(store, SYSTEM) == Closure(built=True, size_before=12, size_after=12)
    assert len(store.asked) == 2


@pytest.mark.parametrize("running", [None, f"{D}-gone"])
async def test_in_place_of_nothing(store: Store, running: str | None) -> None:
    assert await found(store, running) == Closure(
        built=True, added=("jq-1.7", "system"), size_after=12
    )


async def test_sizes_are_asked_for_in_parts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_closure, "_AT_ONCE", 1)
    told = await found(store)
    assert told is not None
    assert (told.size_before, told.size_after) == (101, 12)
    assert len(store.asked) == 6


@pytest.fixture
def unbuilt(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The bundle's plan is of the system's derivation, too, whose file is found here."""
    (tmp_path / "bundle.drv").write_text('Derive([("out","/nix/store/x","","")],[],[],"x"')
    (tmp_path / "system.drv").write_text(f'Derive([("out","{SYSTEM}","","")],[],[],"x"')
    drvs = {f"{D}-bundle.drv": "bundle.drv", f"{D}-system.drv": "system.drv"}
    monkeypatch.setattr(job_closure, "Path", lambda path: tmp_path / drvs[path])
    del store.needs[SYSTEM]
    said = "".join(f"  {path}\n" for path in drvs)
    store.plans[DRV] = f"these 2 derivations will be built:\n{said}"
    store.plans[f"{D}-system.drv"] = (
        f"this derivation will be built:\n  {D}-system.drv\n"
        f"this path will be fetched (1.50 MiB download, 3.00 MiB unpacked):\n  {C}-jq-1.7\n"
    )
    return store


async def test_what_is_not_built_yet_is_planned_without_the_bundle(unbuilt: Store) -> None:
    assert await found(unbuilt) == Closure(
        built=False, added=("jq-1.7", "system"), size_before=101, download=3 * 2**19
    )


async def test_a_system_that_would_be_fetched(store: Store) -> None:
    del store.needs[SYSTEM]
    heading = "these 2 paths will be fetched (0.00 MiB download, 0.01 MiB unpacked):\n"
    store.plans[DRV] = f"{heading}  {SYSTEM}\n  {C}-jq-1.7\n"
    assert await found(store, None) == Closure(built=False, added=("jq-1.7", "system"), download=0)


async def test_a_system_that_is_neither_there_nor_planned(store: Store) -> None:
    del store.needs[SYSTEM]
    assert await found(store) is None  # no plan
    store.plans[DRV] = f"this derivation will be built:\n  {D}-none.drv\n"
    assert await found(store) is None  # no file of that derivation
    store.plans[DRV] = ""
    assert await found(store) is None


@pytest.mark.parametrize("what", ["sizes", "words", "bytes"])
async def test_what_makes_no_sense_is_not_told(store: Store, what: str) -> None:
    if what == "sizes":
        del store.sizes[SYSTEM]  # collected as garbage after it was listed
    elif what == "words":
        store.add(SYSTEM, 2, "warning:")
    else:
        store.add(SYSTEM, 2, "/nix/store/\udcff".encode(errors="surrogateescape").decode("latin-1"))
    assert await found(store) is None


async def test_more_than_anybody_reads(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_closure, "_MAX_OUTPUT", 100)
    assert await found(store) is None


async def test_nix_has_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_closure, "SECONDS", 0.01)

    async def hangs(argv: Sequence[str], output: Sink, errors: Sink) -> int:
        return await asyncio.Event().wait()

    assert await closure(hangs, DRV, SYSTEM, RUNNING) is None


@pytest.mark.parametrize(
    ("heading", "download"),
    [
        ("these 2 paths will be fetched (1.25 MiB download, 5.0 MiB unpacked):", 5 * 2**18),
        ("these 2 paths will be fetched (512.0 KiB download, 2.1 GiB unpacked):", 2**19),
        ("these 2 paths will be fetched ( 2.0 GiB download,   5.0 GiB unpacked):", 2**31),
        ("these 2 paths will be fetched (some download):", None),
        ("these 2 derivations will be built:", None),
    ],
)
def test_plans_of_all_versions(heading: str, download: int | None) -> None:
    said = f"warning: x\n{heading}\n  {C}-b\n  {A}-a-1.drv\ndon't know how to build:\n  {A}-c\n"
    assert planned(said) == (() if "some" in heading else ("a-1", "b"), download)


def test_one_plan_has_both() -> None:
    built = f"this derivation will be built:\n  {A}-a.drv\n"
    fetched = f"this path will be fetched (1.00 MiB download, 2.00 MiB unpacked):\n  {B}-b"
    assert planned(built + fetched) == planned(fetched + "\n" + built) == (("a", "b"), 2**20)
    assert planned("") == ((), None)


def test_names() -> None:
    assert names([f"{A}-git-2.44.0", f"{B}-git-2.44.0", f"{B}-x.drv"]) == {"git-2.44.0", "x"}
    for wrong in ("/etc/passwd", f"{A}", f"{A}-", f"{A}-a/b", f"{A}-ü"):
        with pytest.raises(ValueError, match=wrong):
            names([wrong])


def test_a_list_is_as_long_as_anybody_reads() -> None:
    assert listed({"b", "a" * 120}) == ("a" * 120, "b")
    assert listed({"a" * 211}) == ("a" * 119 + "…",)
    assert len(listed({str(n) for n in range(200)})) == 200
    many = listed({f"{n:03}" for n in range(257)})
    assert many == (*(f"{n:03}" for n in range(200)), "… and 57 more")
    told = {"built": True, "added": [*many[:199], "a" * 119 + "…", many[-1]]}
    assert len(parse(Closure, told, camel_case=True).added) == 201


def test_outputs_of_a_derivation() -> None:
    text = f'Derive([("dev","{A}-d","",""),("out","{A}-o","","")],[("{B}-b.drv",["out"])]'
    assert makes(text.encode(), f"{A}-o")
    assert makes(text.encode(), f"{A}-d")
    assert not makes(text.encode(), f"{B}-b.drv")
    assert not makes(b"", f"{A}-o")
