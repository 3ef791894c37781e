"""What a build would fetch is found before it begins."""

from pathlib import Path

import pytest

from hyperhive.flakes.job_offline import fetches, planned

HASH = "0123456789abcdfghijklmnpqrsvwxyz"
PLAIN = 'Derive([("out","/nix/store/a","","")],[("/nix/store/b.drv",["out"])],[],"x","sh",[],[])'
FIXED = (
    'Derive([("dev","/nix/store/a","",""),("out","/nix/store/b","r:sha256","0ab")],[],[],"builtin",'
    '"builtin:fetchurl",[],[("name","x"),("url","http://127.0.0.1:9/x")])'
)
FLOATING = 'Derive([("out","","r:sha256","")],[],[],"x","sh",[],[("a","\\"b\\",\\"c\\",\\"d\\"")])'


def test_the_plan() -> None:
    said = f"""\
warning: something
these 2 derivations will be built:
  /nix/store/{HASH}-a.drv
  /nix/store/{HASH}-b.drv
these 1 paths will be fetched (0.00 MiB download, 0.00 MiB unpacked):
  /nix/store/{HASH}-c
"""
    assert planned(said) == [f"/nix/store/{HASH}-a.drv", f"/nix/store/{HASH}-b.drv"]
    assert planned("") == []


@pytest.mark.parametrize("name", [".hidden", "-x", "a" * 207])
def test_no_name_escapes_it(name: str) -> None:
    """Nix takes names that begin with a dot, too."""
    path = f"/nix/store/{HASH}-{name}.drv"
    assert planned(f"this derivation will be built:\n  {path}\n") == [path]


@pytest.mark.parametrize(
    ("derivation", "found"),
    [
        (PLAIN, None),
        (FLOATING, None),
        (FIXED, "http://127.0.0.1:9/x"),
        (FIXED.replace('"url"', '"urls"'), "http://127.0.0.1:9/x"),
    ],
)
def test_what_is_known_by_its_hash(tmp_path: Path, derivation: str, found: str | None) -> None:
    (tmp_path / "a.drv").write_text(PLAIN)
    (tmp_path / "b.drv").write_text(derivation)
    assert fetches([str(tmp_path / "a.drv"), str(tmp_path / "b.drv")]) == found


def test_without_an_address_it_is_named_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.drv"
    path.write_text(FIXED.replace("url", "other"))
    assert fetches([str(path)]) == str(path)
