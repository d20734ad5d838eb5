"""The table of defences stays true to the source; whether their tests turn red is tried out by hand."""

import pytest

from tests.mutations.__main__ import ROOT, Defence, defences


@pytest.mark.parametrize("defence", defences(), ids=lambda defence: defence.name)
def test_a_defence_stands_where_the_table_says(defence: Defence) -> None:
    assert (ROOT / defence.file).read_text("utf-8").count(defence.old) == 1
    path, _, name = defence.test.partition("::")
    assert f"def {name}(" in (ROOT / path).read_text("utf-8")


def test_the_page_on_security_names_every_defence() -> None:
    page = (ROOT / "docs" / "security.md").read_text("utf-8")
    assert [defence.name for defence in defences() if f"| {defence.name} |" not in page] == []
