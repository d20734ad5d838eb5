"""Masks: every audience has one, sensitive data is shown to few, and what is hidden is not there."""

import tomllib
from importlib.resources import files

import pytest

from app.actors import Purpose, Role
from app.formats.profile import Column, Line, Section
from app.records.masks import MASKS, PUBLIC, Mask

SENSITIVE = {"ethnicity", "disability", "health", "policy"}
# Administrators and provinces' instances read no documents; a sector system is an audience by its purpose.
READING = set(Role) - {Role.ADMINISTRATOR, Role.PROVINCE_SYSTEM, Role.SECTOR_SYSTEM}
AUDIENCES = {*READING, *Purpose, PUBLIC}


def test_every_audience_has_a_mask_and_no_other() -> None:
    assert set(MASKS) == AUDIENCES


@pytest.mark.parametrize("audience", sorted(AUDIENCES - {"school_software", "inspector", "transfer"}))
def test_sensitive_data_is_hidden_from_all_but_three(audience: str) -> None:
    assert MASKS[audience].hidden >= SENSITIVE


def test_the_masks_name_groups_that_the_format_has() -> None:
    told = tomllib.loads((files("app.formats.hocba_1_0") / "told-1.toml").read_text("utf-8"))
    named = {group for mask in MASKS.values() for group in mask.hidden | mask.partly}
    assert named <= set(told["groups"].values())


def test_hidden_is_left_out_partly_keeps_three_characters_and_the_place_stays() -> None:
    section = Section(
        name="s",
        title="S",
        lines=(
            Line(name="DanToc", label="Dân tộc", group="ethnicity", value="Ê-đê"),
            Line(name="SoDinhDanh", label="Số", group="identity_number", value="066212345678"),
            Line(name="HoChieu", label="Hộ chiếu", group="identity_number", value="B12345"),
            Line(name="HoTen", label="Tên", group="general", value="Y Đăm"),
        ),
        columns=(
            Column(name="Ten", label="Môn", group="general"),
            Column(name="Khoe", label="Khỏe", group="ethnicity"),
        ),
        rows=(("Toán", "x"), ("Văn", None)),
    )
    mask = Mask(version="t", hidden=frozenset({"ethnicity"}), partly=frozenset({"identity_number"}))
    (seen,) = mask.over([section])
    assert [line.value for line in seen.lines] == [None, "•••••••••678", "••••••", "Y Đăm"]
    assert [line.is_masked for line in seen.lines] == [True, True, True, False]
    assert seen.rows == (("Toán", None), ("Văn", None))
    assert [column.is_masked for column in seen.columns] == [False, True]
