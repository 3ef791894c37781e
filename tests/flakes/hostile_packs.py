"""More of what a hostile proposer may send: histories, commits and packs that are not right."""

from __future__ import annotations

import hashlib

from tests.flakes.forge import (
    NIX,
    OFS_DELTA,
    WHO,
    Forge,
    Offer,
    copies,
    packed,
    ref_delta,
    sealed,
)
from tests.flakes.hostile_repositories import DIRECTORY, FILE, MISSING, SUBMODULE, case

# --- what is missing ---


@case("did not receive expected object")
def a_file_is_missing(forge: Forge) -> Offer:
    gone = forge.blob(b"gone")
    return forge.offer(forge.files((FILE, b"x", gone)), gone)


@case("is refused")
def a_directory_is_missing(forge: Forge) -> Offer:
    gone = forge.tree((FILE, b"y", forge.blob()))
    return forge.offer(forge.files((DIRECTORY, b"x", gone)), gone)


@case("is refused")
def the_tree_is_missing(forge: Forge) -> Offer:
    gone = forge.tree((FILE, b"agent.nix", forge.blob(b"{ a = 1; }")))
    return forge.offer(forge.commit(gone, *forge.above), gone)


@case("is refused")
def a_parent_is_missing(forge: Forge) -> Offer:
    tree = forge.tree((FILE, b"agent.nix", forge.blob(NIX)))
    return forge.offer(forge.commit(tree, *forge.above, MISSING))


@case("is refused")
def an_earlier_file_is_missing(forge: Forge) -> Offer:
    gone = forge.blob(b"gone")
    earlier = forge.files((FILE, b"x", gone))
    tree = forge.tree((FILE, b"agent.nix", forge.blob(NIX)))
    return forge.offer(forge.commit(tree, earlier), gone)


@case("commit: is not in the pack")
def another_commit_than_was_said(forge: Forge) -> Offer:
    forge.files()
    return forge.offer(MISSING)


@case("names a tree")
def a_tree_for_a_commit(forge: Forge) -> Offer:
    tree = forge.tree((FILE, b"agent.nix", forge.blob(NIX)))
    return forge.offer(tree)


@case("names a blob")
def a_file_for_a_commit(forge: Forge) -> Offer:
    return forge.offer(forge.blob(b"x"))


@case("names a tag")
def a_tag_for_a_commit(forge: Forge) -> Offer:
    by = b"tag t\ntagger " + WHO
    commit = forge.files().encode()
    return forge.offer(forge.put("tag", b"object " + commit + b"\ntype commit\n" + by + b"\n\nx\n"))


# --- commits ---


@case("missingAuthor|missingEmail|is refused")
def a_commit_without_an_author(forge: Forge) -> Offer:
    tree = forge.tree((FILE, b"agent.nix", forge.blob(NIX)))
    return forge.offer(forge.put("commit", b"tree " + tree.encode() + b"\n\nx\n"))


for who, refused in (
    (b"x <x@x> 1800000000 +99999999", "badTimezone"),
    (b"x <x@x> 99999999999999999999999 +0000", "badDate"),
    (b"x <x@x> 0x1 +0000", "zeroPaddedDate"),
    (b"x x@x 1800000000 +0000", "missingEmail"),
    (b"x <x@x>", "missingSpace|badDate"),
    (b"\xff\x1b[31m\xe2\x80\xae <x> 1800000000 +0000", ""),
):

    def an_author(forge: Forge, who: bytes = who) -> Offer:
        tree = forge.tree((FILE, b"agent.nix", forge.blob(NIX)))
        return forge.offer(forge.commit(tree, *forge.above, author=who))

    an_author.__name__ = f"the author {who!r}"
    case(refused)(an_author)


@case("itself has [0-9]+ bytes")
def a_message_of_a_megabyte(forge: Forge) -> Offer:
    tree = forge.tree((FILE, b"agent.nix", forge.blob(NIX)))
    return forge.offer(forge.commit(tree, *forge.above, message=b"x" * 2**20))


@case("nulInCommit|is refused")
def a_message_with_a_nul(forge: Forge) -> Offer:
    tree = forge.tree((FILE, b"agent.nix", forge.blob(NIX)))
    return forge.offer(forge.commit(tree, *forge.above, message=b"fine\0evil"))


@case("")
def a_message_in_no_encoding(forge: Forge) -> Offer:
    tree = forge.tree((FILE, b"agent.nix", forge.blob(NIX)))
    more = b"encoding ../../etc\nmergetag object x\ngpgsig -----BEGIN\n x\n"
    text = b"\xff\xfe \x1b]0;x\x07 %x00%H $(touch x)\n"
    return forge.offer(forge.commit(tree, *forge.above, more=more, message=text))


@case("is refused")
def the_same_parent_that_is_a_tree(forge: Forge) -> Offer:
    tree = forge.tree((FILE, b"agent.nix", forge.blob(NIX)))
    return forge.offer(forge.commit(tree, tree))


# --- packs ---


@case("is not what git calls a pack")
def nothing_instead_of_a_pack(forge: Forge) -> Offer:
    return Offer(forge.files(), b"")


@case("is not what git calls a pack")
def a_bundle_instead_of_a_pack(forge: Forge) -> Offer:
    offer = forge.offer(forge.files())
    head = b"# v2 git bundle\n" + offer.commit.encode() + b" refs/heads/main\n\n"
    return Offer(offer.commit, head + offer.pack)


@case("commit: is not in the pack|is refused")
def a_pack_of_nothing(forge: Forge) -> Offer:
    return Offer(forge.files(), sealed([]))


@case("is refused")
def a_pack_of_another_version(forge: Forge) -> Offer:
    return Offer(forge.files(), sealed(forge.entries(), version=9))


@case("ends early|is damaged|another size")
def fewer_objects_than_it_says(forge: Forge) -> Offer:
    return Offer(forge.files(), sealed(forge.entries(), count=len(forge.entries()) + 1))


@case("does not end where it should")
def more_objects_than_it_says(forge: Forge) -> Offer:
    return Offer(forge.files(), sealed(forge.entries(), count=1))


@case("is refused")
def a_pack_with_another_sum(forge: Forge) -> Offer:
    commit = forge.files()
    return Offer(commit, sealed(forge.entries())[:-20] + b"\0" * 20)


@case("size has no end")
def an_object_whose_size_has_no_end(forge: Forge) -> Offer:
    return Offer(forge.files(), sealed([*forge.entries(), b"\xff" * 2**20]))


@case("is damaged|ends early")
def a_delta_whose_base_has_no_end(forge: Forge) -> Offer:
    return Offer(forge.files(), sealed([*forge.entries(), b"\x61" + b"\xff" * 2**20]))


@case("is refused")
def an_object_of_a_kind_that_is_none(forge: Forge) -> Offer:
    return Offer(forge.files(), sealed([*forge.entries(), packed(5, 1, b"x")]))


@case("is refused")
def a_delta_on_itself(forge: Forge) -> Offer:
    commit = forge.files()
    return Offer(commit, sealed([*forge.entries(), ref_delta(MISSING, copies(3, 1))]))


@case("is refused")
def a_delta_on_what_comes_before_the_pack(forge: Forge) -> Offer:
    data = copies(3, 1)
    entry = packed(OFS_DELTA, len(data), data)
    bad = entry[:1] + b"\xff\xff\xff\x7f" + entry[1:]
    return Offer(forge.files(), sealed([*forge.entries(), bad]))


@case("is refused")
def a_delta_beyond_its_base(forge: Forge) -> Offer:
    base = forge.blob(b"abc")
    return Offer(forge.files(), sealed([*forge.entries(), ref_delta(base, copies(1000, 2))]))


@case("without sizes")
def a_delta_of_nothing(forge: Forge) -> Offer:
    base = forge.blob(b"abc")
    return Offer(forge.files(), sealed([*forge.entries(), ref_delta(base, b"")]))


@case("")
def objects_that_nobody_asked_for(forge: Forge) -> Offer:
    commit = forge.files()
    forge.commit(forge.tree((SUBMODULE, b"sub", MISSING)), message=b"something else")
    forge.blob(hashlib.sha256(b"noise").digest() * 1000)
    return forge.offer(commit)


@case("appears twice")
def every_object_twice(forge: Forge) -> Offer:
    commit = forge.files()
    return Offer(commit, sealed(forge.entries() * 2))


@case("")
def ten_thousand_deltas_in_a_row(forge: Forge) -> Offer:
    """Each result is the one before, with four bytes of its own in front."""
    commit = forge.files((FILE, b"x", forge.blob(b"\0" * 1000)))
    entries, below = forge.entries(), forge.blob(b"\0" * 1000)
    for n in range(1, 10_001):
        data = n.to_bytes(4, "big") + b"\0" * 996
        delta = b"\xe8\x07\xe8\x07\x04" + data[:4] + b"\xb1\x04\xe4\x03"
        entries.append(ref_delta(below, delta))
        below = forge.blob(data)
    return Offer(commit, sealed(entries))


# --- what acts elsewhere ---


@case("")
def attributes_that_act_elsewhere(forge: Forge) -> Offer:
    text = (
        b"* filter=evil diff=evil merge=evil export-subst ident eol=crlf "
        b"working-tree-encoding=UTF-16\nagent.nix export-ignore -diff\n"
    )
    config = b'[filter "evil"]\n\tsmudge = touch x\n\tclean = touch x\n'
    return forge.offer(
        forge.files(
            (FILE, b".gitattributes", forge.blob(text)),
            (FILE, b".gitconfig", forge.blob(config)),
            (FILE, b"config", forge.blob(config)),
            (FILE, b"x", forge.blob(b"$Id$ $Format:%H$\n")),
        )
    )


@case("")
def a_pointer_to_large_files(forge: Forge) -> Offer:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"1" * 64 + b"\nsize 9\n"
    config = b"[lfs]\n\turl = http://169.254.169.254/\n"
    lfs = (FILE, b".lfsconfig", forge.blob(config)), (FILE, b"big", forge.blob(pointer))
    return forge.offer(forge.files(*lfs))


@case("")
def an_earlier_commit_with_a_submodule(forge: Forge) -> Offer:
    earlier = forge.files((SUBMODULE, b"sub", MISSING))
    tree = forge.tree((FILE, b"agent.nix", forge.blob(b"{ a = 1; }")))
    return forge.offer(forge.commit(tree, earlier))


@case("hasDotgit")
def an_earlier_commit_with_a_repository(forge: Forge) -> Offer:
    earlier = forge.files((DIRECTORY, b".git", forge.tree((FILE, b"config", forge.blob(b"[a]")))))
    tree = forge.tree((FILE, b"agent.nix", forge.blob(b"{ a = 1; }")))
    return forge.offer(forge.commit(tree, earlier))


@case("")
def a_history_of_its_own(forge: Forge) -> Offer:
    tree = forge.tree((FILE, b"agent.nix", forge.blob(b"{ a = 1; }")))
    return forge.offer(forge.commit(tree))
