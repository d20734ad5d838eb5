"""Import of the tree from CSV."""

from datetime import date

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import System
from app.organisations.csv_rows import Column, fold, read_csv, read_day, read_ownership
from app.organisations.importing import ImportKind, ImportReport, import_organisations
from app.organisations.tree import find_organisation, managing_authority
from tests.builders.province import NOW, Province

COLUMNS = (Column(title="Mã tỉnh"), Column(title="Tên tỉnh"), Column(title="Hiệu lực từ", is_required=False))


@pytest.mark.parametrize("title", ["Mã tỉnh", "MÃ TỈNH", "ma_tinh", "  mã   tỉnh ", "Ma\u0303 ti\u0309nh"])
def test_titles_are_read_however_they_are_typed(title: str) -> None:
    assert fold(title) == "ma tinh"
    assert fold("Đơn vị") == "don vi"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_excels_habits_are_taken(delimiter: str, mark: str) -> None:
    text = mark + "\r\n".join(
        delimiter.join(cells) for cells in (["Tên tỉnh", "Mã tỉnh"], [" Đắk Lắk ", "66"], ["", ""])
    )
    rows, findings = read_csv(text.encode(), COLUMNS, key="Mã tỉnh")
    assert findings == []
    assert [dict(row.values) for row in rows] == [{"Mã tỉnh": "66", "Tên tỉnh": "Đắk Lắk", "Hiệu lực từ": ""}]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", [("QH-047", 1)]),
        ("Mã tỉnh,Tên tỉnh\n66,Đắk Lắk".encode("utf-16-le"), [("QH-047", 1)]),
        ("Mã tỉnh,Tên tỉnh\n".encode() + b"66,\xff\n", [("QH-047", 2)]),
        ("Mã tỉnh\n66".encode(), [("QH-046", 1)]),
        ("Tên\n66".encode(), [("QH-046", 1), ("QH-046", 1)]),
        ("Mã tỉnh,Tên tỉnh\n66\n37,Ninh Bình,x".encode(), [("QH-048", 2), ("QH-047", 3)]),
        ("Mã tỉnh,Tên tỉnh\n66,\n,Ninh Bình".encode(), [("QH-048", 2), ("QH-048", 3)]),
        ("Mã tỉnh,Tên tỉnh\n66,Đắk\x00Lắk".encode(), [("QH-048", 2)]),
        ("Mã tỉnh,Tên tỉnh\n66,Đắk Lắk\n66,Đắk Lắk".encode(), [("QH-049", 3)]),
        ('Mã tỉnh,Tên tỉnh\n66,"Đắk Lắk'.encode(), [("QH-047", 1)]),
    ],
)
def test_every_wrong_line_is_named(content: bytes, found: list[tuple[str, int]]) -> None:
    _, findings = read_csv(content, COLUMNS, key="Mã tỉnh")
    assert [(one.code, one.line) for one in findings] == found
    assert all(one.message_vi and one.message_en for one in findings)


def test_days_and_ownership() -> None:
    assert read_day("2025-07-01") == read_day("01/07/2025") == date(2025, 7, 1)
    assert read_day("31/02/2025") is None
    assert read_ownership("Công lập") is True
    assert read_ownership("tư thục") is False
    assert read_ownership("không rõ") is None


async def take(connection: AsyncConnection, kind: ImportKind, *lines: str) -> ImportReport:
    return await import_organisations(connection, "\n".join(lines).encode(), kind, now=NOW, actor=System())


async def test_a_list_is_imported_and_imported_again(connection: AsyncConnection, province: Province) -> None:
    lines = ("Mã tỉnh,Mã xã,Tên xã,Hiệu lực từ", "66,24175,Xã Hòa Phú,01/07/2025", "66,24133,Phường khác,")
    first = await take(connection, ImportKind.COMMUNES, *lines)
    assert (first.created, first.renamed, first.unchanged, first.findings) == (1, 1, 0, ())
    again = await take(connection, ImportKind.COMMUNES, *lines)
    assert (again.created, again.renamed, again.unchanged) == (0, 0, 2)
    found = await find_organisation(connection, "24175")
    assert found is not None
    assert (found.name, found.valid_from, found.province_code) == ("Xã Hòa Phú", date(2025, 7, 1), "66")


async def test_one_wrong_line_undoes_all(connection: AsyncConnection, province: Province) -> None:
    report = await take(
        connection,
        ImportKind.COMMUNES,
        "Mã tỉnh,Mã xã,Tên xã,Hiệu lực từ",
        "66,24175,Xã Hòa Phú,",
        "66,2417,Xã sai mã,",
        "99,24176,Xã không có tỉnh,",
        "66,24177,Xã sai ngày,hôm qua",
        "66,24133,Phường đổi tên,",
    )
    assert [(one.code, one.line) for one in report.findings] == [
        ("QH-040", 3),
        ("QH-042", 4),
        ("QH-048", 5),
    ]
    assert all(one.message_vi for one in report.findings)
    assert report.created == 0
    assert await find_organisation(connection, "24175") is None
    kept = await find_organisation(connection, "24133")
    assert kept is not None
    assert kept.name == "UBND phường Tân Lập"


async def test_schools_are_imported_under_their_authority(
    connection: AsyncConnection, province: Province
) -> None:
    report = await take(
        connection,
        ImportKind.SCHOOLS,
        "Mã trường;Tên trường;Mã tỉnh;Mã xã;Cấp học;Cơ quan quản lý;Loại hình",
        "66A0000701;Trường Tiểu học tư thục;66;24133;02;;Tư thục",
        "66A0000702;Trường liên cấp;66;24133;03, 04;;",
        "66A0000703;Trung tâm GDTX;66;;05;66;Công lập",
    )
    assert (report.created, report.findings) == (3, ())
    managers = {}
    for code in ("66A0000701", "66A0000702", "66A0000703"):
        found = await find_organisation(connection, code)
        assert found is not None
        authority = await managing_authority(connection, found.id, date(2026, 5, 29))
        assert authority is not None
        managers[code] = (authority.code, found.is_public)
    assert managers == {
        "66A0000701": ("24133", False),
        "66A0000702": ("66", True),
        "66A0000703": ("66", True),
    }
    wrong = await take(
        connection,
        ImportKind.SCHOOLS,
        "Mã trường,Tên trường,Mã tỉnh,Cấp học,Loại hình",
        "66A0000704,Trường,66,04,lạ",
        "66A0000705,Trường,66,02,",
    )
    assert [one.code for one in wrong.findings] == ["QH-048", "QH-043"]


async def test_provinces_stand_under_the_ministry(connection: AsyncConnection, province: Province) -> None:
    report = await take(connection, ImportKind.PROVINCES, "Mã tỉnh,Tên tỉnh", "79,TP. Hồ Chí Minh")
    assert report.created == 1
    found = await find_organisation(connection, "79")
    assert found is not None
    assert (found.name, found.parent_id) == (
        "Sở Giáo dục và Đào tạo TP. Hồ Chí Minh",
        province.ids["BGDDT"],
    )


async def test_without_a_ministry_nothing_can_stand_under_it(connection: AsyncConnection) -> None:
    report = await take(connection, ImportKind.PROVINCES, "Mã tỉnh,Tên tỉnh", "66,Đắk Lắk")
    assert [one.code for one in report.findings] == ["QH-042"]
