"""Telling a transcript: nothing of it is left out, and every element has its words."""

import tomllib
from importlib.resources import files

import pytest
from lxml import etree

from app.demo.transcripts import compose_school
from app.formats.hocba_1_0 import HocBaProfile
from tests.builders.world import SIGNED, demo_province

TOLD = tomllib.loads((files("app.formats.hocba_1_0") / "told-1.toml").read_text("utf-8"))
XS = "{http://www.w3.org/2001/XMLSchema}"
# What holds others together, and what stands outside of the content.
SILENT = {
    *("GoiHocBa", "HocBa", "NoiDung", "ThongTinChung", "MaGoi", "ThoiDiemLap", "PhanMem", "SoLuong"),
    *("KetQua", "TieuHoc", "TrungHoc", "DanhSachChuKy", "ChuKy", "HocSinh", "QuaTrinhHocTap", "XacNhan"),
    *("MonHoc", "Nam"),
}


@pytest.mark.parametrize("level", ["02", "03", "04", "05"])
def test_every_text_of_a_transcript_is_told_once(level: str) -> None:
    province = demo_province()
    school = next(item for item in province.schools if item.level == level)
    for composed in compose_school(province, school, signed_at=SIGNED):
        sections = HocBaProfile().sections(composed.element)
        cells = [value for s in sections for row in s.rows for value in row if value is not None]
        told = len([line for s in sections for line in s.lines]) + len(cells)
        leaves = [element for element in composed.element[0].iterdescendants() if not len(element)]
        assert told == len(leaves)
        values = {line.value for s in sections for line in s.lines} | set(cells)
        names = {composed.pupil.person.full_name, school.name, composed.record_id.hex}
        assert names <= values
        subjects = next(s for s in sections if s.name == "MonHoc")
        assert "Toán" in {row[[c.name for c in subjects.columns].index("Ten")] for row in subjects.rows}


def test_every_element_of_the_schema_has_a_label() -> None:
    schema = etree.fromstring((files("app.formats.hocba_1_0") / "hocba-1.0.xsd").read_bytes())
    named = {element.get("name") for element in schema.iter(f"{XS}element") if element.get("name")}
    assert named - SILENT - set(TOLD["labels"]) == set()


def test_sensitive_elements_are_of_their_groups() -> None:
    groups = {"DanToc": "ethnicity", "KhuyetTat": "disability", "DoiTuongChinhSach": "policy"}
    province = demo_province()
    sections = HocBaProfile().sections(
        compose_school(province, province.schools[0], signed_at=SIGNED)[0].element
    )
    found = {line.name: line.group for section in sections for line in section.lines}
    assert {name: found[name] for name in groups if name in found} == {
        name: group for name, group in groups.items() if name in found
    }
    assert {found["SucKhoe/ChieuCao"], found["SucKhoe/CanNang"]} == {"health"}
    assert found["ThuTruong/SoDinhDanh"] == "staff_number"
    assert found["SoDinhDanh"] == "identity_number"
