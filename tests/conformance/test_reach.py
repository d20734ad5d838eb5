"""Every code of the catalogue is reached: by a document of the kit, or by a test that says so."""

import json
import re
import tomllib
from pathlib import Path

from app.findings import CATALOGUE
from tests.conformance.case import CASES

TESTS = Path(__file__).parents[1]
REACH = tomllib.loads(Path(__file__).with_name("reach.toml").read_text("utf-8"))
# What a document can be refused for; acts and requests have tests of their own.
OF_DOCUMENTS = ("DD", "KS", "MA", "NV", "TR")
FINDINGS = TESTS.parent / "app" / "findings"
CODE = re.compile(r"""["'`]([A-Z]{2}-\d{3})["'`]""")


def reached_by_cases() -> set[str]:
    reached: set[str] = set()
    for path in CASES.glob("*/expected.json"):
        expected = json.loads(path.read_text("utf-8"))
        reached.update(expected.get("package", [expected.get("problem")]))
        for item in expected.get("items", []):
            reached.update(item["codes"])
    return reached


def codes_of(*catalogues: str) -> set[str]:
    codes: set[str] = set()
    for name in catalogues:
        codes.update(tomllib.loads((FINDINGS / f"{name}.toml").read_text("utf-8")))
    return codes


def named_in(path: Path) -> set[str]:
    return set(CODE.findall(path.read_text("utf-8")))


def test_every_code_of_a_document_is_reached_by_a_case_or_has_a_reason() -> None:
    # From KS-070 on a list or an answer is refused, not a document.
    codes = codes_of(*OF_DOCUMENTS) | {code for code in codes_of("KS_revocation") if code < "KS-070"}
    assert sorted(codes - reached_by_cases() - set(REACH)) == []


def test_every_reason_is_needed_and_names_a_test_that_reaches_the_code() -> None:
    assert sorted(set(REACH) & reached_by_cases()) == []
    for code, entry in REACH.items():
        assert entry["why"]
        assert code in named_in(TESTS.parent / entry["test"]), code


def test_every_other_code_is_named_by_a_test() -> None:
    named = reached_by_cases()
    for path in (*TESTS.rglob("test_*.py"), *TESTS.rglob("*_cases.toml")):
        named |= named_in(path)
    assert sorted(set(CATALOGUE) - named) == []
