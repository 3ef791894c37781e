"""Which uid ranges are free on this machine."""

from pathlib import Path

import pytest

from hyperhive.nspawn.launch_ranges import BASES, SIZE, base_of, choose, given_out
from hyperhive.nspawn.launch_refusal import Exit, Refused

FIRST = BASES[0]


def test_bounds() -> None:
    assert BASES[0] >= 1_000_000_000
    assert BASES[-1] + SIZE <= 1_879_048_192
    assert all(base % SIZE == 0 for base in (BASES[0], BASES[-1]))
    assert len(BASES) > 13_000


@pytest.mark.parametrize("uid", [0, 1000, 65_534, FIRST - 1, 1_879_048_192, 2**32 - 1, -1])
def test_uids_that_are_no_agents(uid: int) -> None:
    assert base_of(uid) is None


@pytest.mark.parametrize("offset", [0, 1, 1_000, 65_535])
def test_uids_of_a_range(offset: int) -> None:
    assert base_of(FIRST + offset) == FIRST


def test_a_free_one_is_chosen() -> None:
    assert choose(set(BASES) - {BASES[7]}) == BASES[7]


def test_none_is_free() -> None:
    with pytest.raises(Refused) as refused:
        choose(set(BASES))
    assert refused.value.status == Exit.RANGES
    assert "purge" in str(refused.value)


@pytest.mark.parametrize(
    ("line", "taken"),
    [
        (f"alice:{FIRST}:65536", [0]),
        (f"1000:{FIRST}:65536", [0]),
        (f"alice:{FIRST - 1}:2", [0]),
        (f"alice:{FIRST - 1}:1", []),
        (f"alice:{FIRST + 65_535}:1", [0]),
        (f"alice:{FIRST + 65_535}:2", [0, 1]),
        (f"alice:{FIRST + 1}:131072", [0, 1, 2]),
        (f"alice:{FIRST}:0", []),
        ("alice:100000:65536", []),
        ("alice:1000000000:20000000000000000000", list(range(len(BASES)))),
        (f"al ice:{FIRST}:65536 ", [0]),
        (f"# {FIRST}:1", []),
        ("", []),
        ("alice:x:y", []),
        ("alice:-1:4294967295", []),
    ],
)
def test_subordinate_ids(tmp_path: Path, line: str, taken: list[int]) -> None:
    for name in ("subuid", "subgid"):
        (tmp_path / name).write_text("")
    for name in ("subuid", "subgid"):
        (tmp_path / name).write_text(f"root:100000:65536\n{line}\n")
        files = [str(tmp_path / "subuid"), str(tmp_path / "subgid")]
        assert given_out(files, []) == {BASES[index] for index in taken}
        (tmp_path / name).write_text("")


def test_accounts(tmp_path: Path) -> None:
    passwd = tmp_path / "passwd"
    passwd.write_text(f"root:x:0:0::/:/bin/sh\n+::::::\nodd:x:{FIRST + 5}:0::/:/bin/sh\nbroken\n")
    assert given_out([], [str(passwd), str(tmp_path / "missing")]) == {FIRST}


def test_a_list_that_cannot_be_read_is_not_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        given_out([str(tmp_path)], [])
    assert refused.value.status == Exit.RANGES
