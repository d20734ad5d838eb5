"""The building is guarded: what no reader should have to watch for is watched for here."""

import ast
import re
import string
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

import app
from app.findings import CATALOGUE, Cause
from app.findings.catalogue import FAMILIES

ROOT: Final = Path(app.__file__).parents[1]
PLACES: Final = ("app", "migrations", "tests", "bench", "docs")

MAX_FILE_LINES: Final = 400
MAX_FUNCTION_LINES: Final = 50

# Drawers: a name that says nothing collects everything.
FORBIDDEN_NAMES: Final = frozenset(
    {
        "base",
        "common",
        "core",
        "crud",
        "handlers",
        "helpers",
        "managers",
        "misc",
        "models",
        "repositories",
        "services",
        "util",
        "utils",
    }
)
FORBIDDEN_ENDINGS: Final = (
    "Manager",
    "Handler",
    "Processor",
    "Helper",
    "Util",
    "Utils",
    "Data",
    "Info",
    "Service",
)

# Functions that may be long, each with its reason.
LONG_FUNCTIONS: Final = {
    "migrations/versions/*.py upgrade": "a migration is one list of statements, read from top to bottom",
    "tests/conformance/decoding_cases.py _markup": "a list of cases, one after the other",
    "tests/conformance/trust_cases.py _roles": "a list of cases, one after the other",
}

# Files of the ground floor without a test of their own name, each with the reason.
TESTED_ELSEWHERE: Final = {
    "actors": "values only; tests/organisations asks what they may",
    "audit": "tests/api asserts the events of every act",
    "errors": "tests/api/test_problems.py walks them",
    "main": "tests/api and tests/scenarios start it",
    "schema": "tests/migrations upgrades with it",
}

# Files that start tasks outside a group and wait for them by hand, each with the reason.
WATCHED_BY_HAND: Final = {
    "app/cli/demonstration.py": "playing and being told to stop: whichever comes first ends the other",
}

# Tests that look at several rooms at once stand in these folders; every other folder is named after a room.
SHARED_TEST_FOLDERS: Final = frozenset(
    {"builders", "conformance", "fuzz", "kernel", "migrations", "mutations", "oracles", "scenarios"}
)


def sources(*places: str) -> list[Path]:
    return sorted(
        path for place in places for path in (ROOT / place).rglob("*.py") if "__pycache__" not in path.parts
    )


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count a function's lines, its docstring apart: what a promise takes to say is not complexity."""
    assert function.end_lineno is not None
    lines = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function, clean=False) is not None:
        docstring = function.body[0]
        assert docstring.end_lineno is not None
        lines -= docstring.end_lineno - docstring.lineno + 1
    return lines


def is_allowed_to_be_long(path: Path, function: str) -> bool:
    return any(
        path.relative_to(ROOT).match(pattern) and function == name
        for pattern, name in (entry.split(" ") for entry in LONG_FUNCTIONS)
    )


def calls(tree: ast.AST) -> Iterator[str]:
    """Give what is called, as it is written: ``connection.commit``, ``datetime.now``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_file_or_folder_is_a_drawer() -> None:
    named = [path for path in sources(*PLACES) if FORBIDDEN_NAMES & {*path.parts[:-1], path.stem}]
    assert [name_of(path) for path in named] == []


def test_no_class_is_named_after_nothing() -> None:
    named = [
        f"{name_of(path)} {node.name}"
        for path in sources("app")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ClassDef) and node.name.endswith(FORBIDDEN_ENDINGS)
    ]
    assert named == []


def test_files_are_short() -> None:
    long = {name_of(path): len(path.read_text("utf-8").splitlines()) for path in sources(*PLACES)}
    assert {name: lines for name, lines in long.items() if lines > MAX_FILE_LINES} == {}


def test_functions_are_short() -> None:
    long = {
        f"{name_of(path)} {function.name}": length(function)
        for path in sources(*PLACES)
        for function in functions(ast.parse(path.read_text("utf-8")))
        if length(function) > MAX_FUNCTION_LINES and not is_allowed_to_be_long(path, function.name)
    }
    assert long == {}


def test_only_the_clock_asks_for_the_time() -> None:
    asking = re.compile(r"(^|\.)(datetime\.(now|utcnow|today)|date\.today|time\.time(_ns)?)$")
    found = {
        name_of(path)
        for path in sources("app")
        for call in calls(ast.parse(path.read_text("utf-8")))
        if asking.search(call)
    }
    assert found == {"app/clock.py"}


def test_nothing_commits_by_hand() -> None:
    """The one transaction of app.db commits; whatever else did would split a request in two.

    A savepoint may be released: that ends nothing.
    """
    found = [
        f"{name_of(path)} {call}"
        for path in sources("app", "migrations")
        for call in calls(ast.parse(path.read_text("utf-8")))
        if call.endswith(".commit") and call != "savepoint.commit"
    ]
    assert found == []


def test_nothing_runs_unwatched() -> None:
    """A task belongs to a group that waits for it; one that nobody waits for dies in silence."""
    found = [
        f"{name_of(path)} {call}"
        for path in sources("app")
        for call in calls(ast.parse(path.read_text("utf-8")))
        if name_of(path) not in WATCHED_BY_HAND
        and (call in {"asyncio.create_task", "asyncio.ensure_future"} or call.endswith("BackgroundTasks"))
    ]
    assert found == []


def test_tests_mock_nothing() -> None:
    mocking = re.compile(r"^(unittest\.)?mock(\.|$)|^pytest_mock")
    found = {
        name_of(path)
        for path in sources("tests")
        for module in imported(ast.parse(path.read_text("utf-8")))
        if mocking.match(module)
    }
    assert found == set()


def test_tests_measure_nothing() -> None:
    """A busy machine is no defect: a test asserts what is done and in which order, never how fast."""
    stopwatch = re.compile(r"\b(perf_counter|process_time|thread_time)|monotonic(_ns)?\(\) -")
    found = [
        name_of(path)
        for path in sources("tests")
        if path != Path(__file__) and stopwatch.search(path.read_text("utf-8"))
    ]
    assert found == []


def test_every_docstring_says_something() -> None:
    empty = re.compile(r"\b(TBD|TODO|FIXME|XXX)\b")
    found = [
        f"{name_of(path)}:{getattr(node, 'lineno', 1)}"
        for path in sources("app", "migrations")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and empty.search(ast.get_docstring(node) or "")
    ]
    assert found == []


def rooms() -> dict[str, list[Path]]:
    return {
        folder.name: [path for path in sources(f"app/{folder.name}") if path.name != "__init__.py"]
        for folder in (ROOT / "app").iterdir()
        if (folder / "__init__.py").exists()
    }


def test_test_folders_are_named_after_rooms() -> None:
    folders = {
        path.relative_to(ROOT / "tests").parts[0]
        for path in sources("tests")
        if path.parent != ROOT / "tests"
    }
    assert folders - set(rooms()) - SHARED_TEST_FOLDERS == set()


def test_every_room_has_tests() -> None:
    furnished = {room for room, files in rooms().items() if files}
    tested = {room for room in furnished if any((ROOT / "tests" / room).rglob("test_*.py"))}
    assert furnished - tested == set()


def test_the_ground_floor_is_tested_file_by_file() -> None:
    files = {path.stem for path in (ROOT / "app").glob("*.py")} - {"__init__", "__main__"}
    tests = [*(ROOT / "tests").glob("test_*.py"), *(ROOT / "tests" / "kernel").glob("test_*.py")]
    tested = {path.stem.removeprefix("test_") for path in tests}
    assert files - tested == set(TESTED_ELSEWHERE)


CODE: Final = re.compile(rf"\b(?:{'|'.join(FAMILIES)})-\d{{3}}\b")


def codes_in(*places: str, suffixes: tuple[str, ...] = (".py", ".toml")) -> set[str]:
    return {
        code
        for place in places
        for path in (ROOT / place).rglob("*")
        if path.suffix in suffixes and path.parent.name != "findings"
        for code in CODE.findall(path.read_text("utf-8"))
    }


def test_every_code_that_the_program_names_is_in_the_catalogue() -> None:
    assert codes_in("app") - set(CATALOGUE) == set()


def test_every_code_of_the_catalogue_is_given_by_the_program() -> None:
    assert set(CATALOGUE) - codes_in("app") == set()


def fields_of(template: str, language: str) -> set[str]:
    """Give a template's facts; one that has a wording a language (``what_vi``, ``what_en``) counts once."""
    names = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
    return {name.removesuffix(f"_{language}") for name in names}


def has_accents(text: str) -> bool:
    """Say whether a text has letters that only Vietnamese spelling has (đ, or a letter with a mark)."""
    return "đ" in text.lower() or any(
        unicodedata.combining(mark) for mark in unicodedata.normalize("NFD", text)
    )


@pytest.mark.parametrize("cause", CATALOGUE.values(), ids=list(CATALOGUE))
def test_the_texts_of_a_cause_are_whole(cause: Cause) -> None:
    for text in (cause.title_vi, cause.detail_vi, cause.hint_vi):
        assert has_accents(text)
        assert unicodedata.is_normalized("NFC", text)
    for text in (cause.title_en, cause.detail_en, cause.hint_en):
        assert text.strip() == text != ""
    assert fields_of(cause.detail_vi, "vi") == fields_of(cause.detail_en, "en")
    assert fields_of(cause.title_vi + cause.title_en, "vi") == set()
