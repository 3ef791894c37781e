"""Rules that keep text of agents text, and every button in one place's hands."""

import re
from pathlib import Path

import jinja2
import pytest

from hyperhive import dashboard
from hyperhive.dashboard.text import FILTERS

HERE = Path(dashboard.__file__).parent
TEMPLATES = sorted((HERE / "templates").glob("*.html"))
SCRIPTS = sorted((HERE / "static").glob("*.js"))
PYTHON = sorted(HERE.glob("*.py"))


def planted(files: list[Path], pattern: str) -> list[str]:
    return [
        f"{path.name}: {line.strip()}"
        for path in files
        for line in path.read_text().splitlines()
        if re.search(pattern, line)
    ]


def test_no_value_bypasses_escaping() -> None:
    assert planted(TEMPLATES, r"\|\s*safe\b|autoescape|\|\s*tojson") == []
    assert planted(PYTHON, r"\bMarkup\b|autoescape=(?!True)") == []


def test_no_script_makes_markup_of_text() -> None:
    sinks = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|srcdoc"
    assert planted(SCRIPTS, sinks) == []
    parsers = planted(SCRIPTS, "parseFromString")
    assert [line.partition(":")[0] for line in parsers] == ["live.js", "log.js", "output.js"]


def test_nothing_is_inline() -> None:
    assert planted(TEMPLATES, r"<style|\sstyle=|\son[a-z]+=|javascript:") == []
    scripts = planted(TEMPLATES, "<script")
    assert scripts == ['base.html: <script type="module" src="{{ static("main.js") }}"></script>']


def test_nothing_comes_from_elsewhere() -> None:
    assert planted([*TEMPLATES, *SCRIPTS, HERE / "static/style.css"], r"https?://|@import") == []


def test_buttons_are_disabled_in_one_place_only() -> None:
    assert planted(TEMPLATES, r"\bdisabled\b") == []
    assert planted(SCRIPTS, r"disabled\s*=|\"disabled\"") == [
        'forms.js: if (control.type === "submit") control.disabled = busy;'
    ]
    body = (HERE / "static/forms.js").read_text()
    (use,) = re.findall(
        r"setBusy\(form, true\);.*?finally \{.*?setBusy\(form, false\);", body, re.S
    )
    assert "return" not in use
    assert planted(SCRIPTS, r"method: \"POST\"") == [
        "forms.js: const response = await fetch(url, "
        '{ method: "POST", body, headers, signal, redirect: "error" });'
    ]


def test_every_form_that_posts_has_a_place_for_its_result() -> None:
    for path in TEMPLATES:
        forms = re.findall(r"<form[^>]*method=\"post\".*?</form>", path.read_text(), re.S)
        assert all("outcome(" in form for form in forms), path.name


def test_every_kind_of_event_refreshes_the_swarm_and_its_agent() -> None:
    sources = [path.read_text() for path in (HERE.parent / "hive").glob("*.py")]
    kinds = {kind for text in sources for kind in re.findall(r'events\.append\("(\w+)"', text)}
    swarm = (HERE / "templates/swarm.html").read_text()
    (listed,) = re.findall(r'data-on="([^"]*)"', swarm)
    assert set(listed.split()) == kinds
    agent = (HERE / "templates/agent.html").read_text()
    (always,) = re.findall(r'data-on="([^"]*)"', agent)
    (mine,) = re.findall(r'data-on-agent="([^"]*)"', agent)
    assert kinds - set(always.split()) - set(mine.split()) == {"inbox_read"}


@pytest.fixture
def environment() -> jinja2.Environment:
    made = jinja2.Environment(loader=jinja2.FileSystemLoader(HERE / "templates"), autoescape=True)
    made.filters.update(FILTERS)
    made.tests["long"] = lambda text: False
    return made


def test_every_value_of_an_agent_is_made_visible(environment: jinja2.Environment) -> None:
    """Hostile text is given for each argument of each macro: none of it may come out raw."""
    module = environment.get_template("_text.html").module
    shown = module.said("\u202e<b>\x1b", "id")  # type: ignore[attr-defined]  # a macro
    assert r"\u202e&lt;b&gt;\x1b" in shown
