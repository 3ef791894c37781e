"""What a hostile proposer may send: each case with the reason it is refused for, or none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.flakes.forge import (
    NIX,
    Forge,
    Offer,
    copies,
    packed,
    ref_delta,
    sealed,
)

FILE, LINK, DIRECTORY, SUBMODULE = "100644", "120000", "40000", "160000"
MISSING = "1" * 40
Build = Callable[[Forge], Offer]


@dataclass(frozen=True)
class Case:
    name: str
    build: Build
    refused: str
    """A pattern of the reason; empty for what is accepted, and does no harm."""


CASES: list[Case] = []


def case(refused: str) -> Callable[[Build], Build]:
    def add(build: Build) -> Build:
        CASES.append(Case(build.__name__.replace("_", " "), build, refused))
        return build

    return add


def entry(name: str, refused: str, mode: str, path: bytes, content: bytes = b"") -> None:
    """One file beside `agent.nix`."""

    def build(forge: Forge) -> Offer:
        *parents, last = path.split(b"/") if mode != "raw" else [path]
        at, below = mode, MISSING if mode == SUBMODULE else forge.blob(content)
        for parent in reversed(parents):
            at, below, last = DIRECTORY, forge.tree((at, last, below)), parent
        return forge.offer(forge.files((at, last, below)))

    CASES.append(Case(name, build, refused))


# --- names ---

for spelled in (b".git", b".GIT", b".git ", b"git~1", b"..", b".", b".g\xe2\x80\x8cit", b".git."):
    entry(f"a directory called {spelled!r}", "hasDot", FILE, spelled + b"/config", b"[core]\n")
entry("another short name of .git", "is no name for a file", FILE, b"git~2", b"x")
entry("a name that is not UTF-8", "is not UTF-8", FILE, b"\xff\xfe")
entry("a name with a line feed", "cannot be shown", FILE, b"a\nb")
entry("a name that reads backwards", "cannot be shown", FILE, "a\u202exin.tnega".encode())
entry("a name with an escape", "cannot be shown", FILE, b"a\x1b[2Jb")
entry("a name of a hundred thousand letters", "longer than 1000", FILE, b"x" * 100_000)


@case("fullPathname")
def a_name_with_a_slash(forge: Forge) -> Offer:
    return forge.offer(forge.files((FILE, b"a/../../b", forge.blob())))


@case("empty filename|emptyName")
def a_name_that_is_empty(forge: Forge) -> Offer:
    return forge.offer(forge.files((FILE, b"", forge.blob())))


# --- links and submodules ---

entry("a link to the host", "link out of the tree", LINK, b"lib", b"/etc")
entry("a link upwards", "link out of the tree", LINK, b"a/lib", b"../../x")
entry("a link that goes up later", "devious", LINK, b"a/lib", b"b/../../../x")
entry("a link with a NUL", "no usable target", LINK, b"lib", b"a\0b")
entry("a link of a megabyte", "no usable target", LINK, b"lib", b"a" * 2**20)
entry("links in the tree", "", LINK, b"a/lib", b"../agent.nix")
entry("a submodule alone", "is a submodule", SUBMODULE, b"sub")
entry("modules that are a link", "gitmodulesSymlink", LINK, b".gitmodules", b"/etc/passwd")

for url in (b"ext::sh -c touch% /tmp/x", b"-u./x", b"../../\r", b"--upload-pack=touch x"):

    def _with_module(forge: Forge, url: bytes = url) -> Offer:
        text = b'[submodule "x"]\n\tpath = sub\n\turl = "' + url + b'"\n\tupdate = !touch x\n'
        modules = (FILE, b".gitmodules", forge.blob(text))
        return forge.offer(forge.files(modules, (SUBMODULE, b"sub", MISSING)))

    CASES.append(Case(f"a submodule of {url!r}", _with_module, "gitmodules|is a submodule"))


@case("duplicateEntries")
def a_link_in_the_place_of_a_directory(forge: Forge) -> Offer:
    directory = forge.tree((FILE, b"passwd", forge.blob(b"x")))
    return forge.offer(forge.files((LINK, b"a", forge.blob(b"/etc")), (DIRECTORY, b"a", directory)))


# --- agent.nix ---


@case(r"agent\.nix: is missing")
def no_module(forge: Forge) -> Offer:
    tree = forge.tree((FILE, b"flake.nix", forge.blob(NIX)))
    return forge.offer(forge.commit(tree, *forge.above))


@case(r"agent\.nix: is missing")
def a_module_that_is_a_link(forge: Forge) -> Offer:
    tree = forge.tree((LINK, b"agent.nix", forge.blob(b"x")), (FILE, b"x", forge.blob(NIX)))
    return forge.offer(forge.commit(tree, *forge.above))


@case(r"agent\.nix: is missing")
def a_module_that_is_a_directory(forge: Forge) -> Offer:
    below = forge.tree((FILE, b"default.nix", forge.blob(NIX)))
    return forge.offer(forge.commit(forge.tree((DIRECTORY, b"agent.nix", below)), *forge.above))


@case(r"agent\.nix: is missing")
def nothing_at_all(forge: Forge) -> Offer:
    return forge.offer(forge.commit(forge.tree(), *forge.above))


# --- trees ---


@case("or as many directories|is refused")
def a_tree_of_4096_levels(forge: Forge) -> Offer:
    mode, below = FILE, forge.blob()
    for _ in range(4096):
        mode, below = DIRECTORY, forge.tree((mode, b"d", below))
    return forge.offer(forge.files((DIRECTORY, b"d", below)))


def _repeated(forge: Forge, below: str, mode: str, levels: int) -> Offer:
    for _ in range(levels):
        below = forge.tree(*((mode, b"%d" % n, below) for n in range(10)))
        mode = DIRECTORY
    return forge.offer(forge.files((DIRECTORY, b"d", below)))


@case("more than 2000 files")
def a_million_files(forge: Forge) -> Offer:
    return _repeated(forge, forge.blob(), FILE, 6)


@case("more than 2000 files")
def ten_thousand_million_files(forge: Forge) -> Offer:
    return _repeated(forge, forge.blob(), FILE, 10)


@case("or as many directories")
def ten_thousand_million_empty_directories(forge: Forge) -> Offer:
    return _repeated(forge, forge.tree(), DIRECTORY, 10)


@case("more than 2000 files")
def two_hundred_thousand_files_in_one_directory(forge: Forge) -> Offer:
    blob = forge.blob()
    return forge.offer(forge.files(*((FILE, b"%06d" % n, blob) for n in range(200_000))))


@case("an object of [0-9]+ bytes")
def a_million_files_in_one_directory(forge: Forge) -> Offer:
    blob = forge.blob()
    return forge.offer(forge.files(*((FILE, b"%06d" % n, blob) for n in range(1_000_000))))


@case("duplicateEntries")
def a_file_twice(forge: Forge) -> Offer:
    return forge.offer(forge.files((FILE, b"agent.nix", forge.blob(b"{ evil = 1; }"))))


@case("treeNotSorted")
def a_tree_out_of_order(forge: Forge) -> Offer:
    pair = (FILE, b"z", forge.blob()), (FILE, b"b", forge.blob())
    return forge.offer(forge.files(*pair, order=False))


@case("zeroPaddedFilemode")
def modes_with_zeros(forge: Forge) -> Offer:
    return forge.offer(forge.files(("0100644", b"b", forge.blob())))


entry("a file forty levels deep", "deeper than 32", FILE, b"d/" * 40 + b"x")
for odd in ("140000", "10000"):  # a socket, a pipe; git takes all that it does not know for this
    entry(f"a file of mode {odd}", "is a submodule", odd, b"x")
for odd in ("100777", "100666", "104755"):  # git makes them what it knows
    entry(f"a file of mode {odd}", "", odd, b"x")


@case("is refused|is listed as a file")
def a_file_that_is_a_tree(forge: Forge) -> Offer:
    return forge.offer(forge.files((FILE, b"x", forge.tree((FILE, b"y", forge.blob())))))


@case("is refused")
def a_directory_that_is_a_file(forge: Forge) -> Offer:
    return forge.offer(forge.files((DIRECTORY, b"x", forge.blob(b"text"))))


@case("is refused")
def a_file_that_is_a_commit_of_ours(forge: Forge) -> Offer:
    return forge.offer(forge.files((FILE, b"x", forge.base)))


@case("nullSha1")
def a_file_that_is_nothing(forge: Forge) -> Offer:
    return forge.offer(forge.files((FILE, b"x", "0" * 40)))


@case("is refused")
def a_tree_that_is_noise(forge: Forge) -> Offer:
    return forge.offer(forge.commit(forge.put("tree", b"\x00\xff" * 50), *forge.above))


# --- size ---

entry("a blob of nine megabytes", "an object of [0-9]+ bytes", FILE, b"big", b"\0" * 9 * 2**20)


@case("the tree has [0-9]+ bytes")
def a_large_tree_of_small_files(forge: Forge) -> Offer:
    blob = forge.blob(b"\0" * 2**20)
    return forge.offer(forge.files(*((FILE, b"%d" % n, blob) for n in range(9))))


@case("an object of 5368709120 bytes")
def a_blob_of_five_gigabytes(forge: Forge) -> Offer:
    commit = forge.files()
    return Offer(commit, sealed([*forge.entries(), packed(3, 5 * 2**30, b"\0" * 2**20)]))


@case("another size than it says")
def a_blob_that_does_not_say_its_size(forge: Forge) -> Offer:
    commit = forge.files()
    return Offer(commit, sealed([*forge.entries(), packed(3, 100, b"\0" * 64 * 2**20)]))


@case("an object of 5368709120 bytes")
def a_delta_of_five_gigabytes(forge: Forge) -> Offer:
    base = forge.blob(b"\0" * 2**20)
    return Offer(
        forge.files(), sealed([*forge.entries(), ref_delta(base, copies(2**20, 5 * 1024))])
    )


@case("unpacked, the pack has more than")
def a_thousand_deltas_of_eight_megabytes(forge: Forge) -> Offer:
    base = forge.blob(b"\0" * 2**20)
    bombs = [ref_delta(base, copies(2**20, 8, less=n)) for n in range(1000)]
    return Offer(forge.files(), sealed([*forge.entries(), *bombs]))


@case("more than 20000")
def twenty_five_thousand_objects(forge: Forge) -> Offer:
    for n in range(25_000):
        forge.blob(b"%d" % n)
    return forge.offer(forge.files())


@case("4294967295 objects")
def as_many_objects_as_can_be_said(forge: Forge) -> Offer:
    return Offer(forge.files(), sealed(forge.entries(), count=2**32 - 1))


@case("more than 33554432")
def a_pack_of_33_megabytes(forge: Forge) -> Offer:
    return Offer(forge.files(), sealed([*forge.entries(), b"\0" * 33 * 2**20]))


@case("more than 1000 new commits")
def a_long_history(forge: Forge) -> Offer:
    tree = forge.tree((FILE, b"agent.nix", forge.blob(NIX)))
    commit = forge.commit(tree, *forge.above)
    for n in range(1_200):
        commit = forge.commit(tree, commit, message=b"%d" % n)
    return forge.offer(commit)
