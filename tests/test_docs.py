"""Documents keep up with the program: generated pages are fresh, links lead on, decisions have a form."""

import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

import app
from docs.generate import pages

ROOT: Final = Path(app.__file__).parents[1]
PAGES: Final = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
ADRS: Final = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
LINK: Final = re.compile(r"\]\((?!https?://|#)([^)#]+)")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize(("path", "content"), pages().items(), ids=lambda value: getattr(value, "name", ""))
def test_a_generated_page_is_fresh(path: Path, content: str) -> None:
    assert path.read_text("utf-8") == content, "run: .venv/bin/python docs/generate.py"


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_link_leads_to_a_file(path: Path) -> None:
    lost = [link for link in LINK.findall(path.read_text("utf-8")) if not (path.parent / link).exists()]
    assert lost == []


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_page_can_be_reached_from_the_readme(path: Path) -> None:
    reached, open_pages = set(), [ROOT / "README.md"]
    while open_pages:
        page = open_pages.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        open_pages += [(page.parent / link).resolve() for link in LINK.findall(page.read_text("utf-8"))]
    assert path in reached


@pytest.mark.parametrize("path", ADRS, ids=name_of)
def test_a_decision_fits_one_screen_and_has_its_parts(path: Path) -> None:
    text = path.read_text("utf-8")
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## Context",
        "## Decision",
        "## Consequences",
        "## Alternatives",
    ]
    assert len(text.splitlines()) <= 60
    quotable = text.partition("## Decision")[2].strip().splitlines()[0]
    assert re.fullmatch(r"\*\*.+\*\*", quotable)


def test_the_glossary_names_what_exists() -> None:
    named = re.findall(r"`((?:[a-z_]+\.)+[A-Za-z_]+)`", (ROOT / "docs" / "glossary.md").read_text("utf-8"))
    assert len(named) > 25
    assert [name for name in named if not exists(f"app.{name}")] == []


def exists(name: str) -> bool:
    """Say whether a dotted name is a module, or something inside one."""
    thing: object = app
    for step, part in enumerate(name.split(".")[1:], start=2):
        path = ".".join(name.split(".")[:step])
        if hasattr(thing, "__path__") and find_spec(path) is not None:
            thing = import_module(path)
        elif hasattr(thing, part):
            thing = getattr(thing, part)
        else:
            return False
    return True


def test_no_two_decisions_have_one_number_and_each_bears_its_own() -> None:
    numbers = [path.name[:4] for path in ADRS]
    assert len(set(numbers)) == len(numbers)
    assert [path.read_text("utf-8")[:8] for path in ADRS] == [f"# {number}. " for number in numbers]
