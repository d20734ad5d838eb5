"""Organisations as rows: who may stand under whom, who manages a school on which day."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import System
from app.audit import AuditTag, audit_event
from app.errors import DomainError
from app.organisations.kinds import OrganisationKind
from app.organisations.tree import (
    OrganisationDraft,
    change_management,
    change_organisation,
    create_organisation,
    find_organisation,
    legal_date,
    list_organisations,
    managing_authority,
)
from tests.builders.province import CONTINUING, FOUNDED, NOW, PRIMARY, SECONDARY, UPPER, Province

DRAFT = OrganisationDraft(
    kind=OrganisationKind.SCHOOL,
    code="66A0000299",
    name="Trường Tiểu học mới",
    parent_code="24133",
    levels=("02",),
    valid_from=FOUNDED,
)


def test_a_legal_day_begins_at_midnight_in_hanoi() -> None:
    assert legal_date(datetime(2026, 6, 30, 16, 59, 59, tzinfo=UTC)) == date(2026, 6, 30)
    assert legal_date(datetime(2026, 6, 30, 17, 0, tzinfo=UTC)) == date(2026, 7, 1)


@pytest.mark.parametrize(
    ("school", "authority"),
    [(PRIMARY, "24133"), (SECONDARY, "24133"), (UPPER, "66"), (CONTINUING, "66")],
)
async def test_who_manages_follows_from_the_levels(
    connection: AsyncConnection, province: Province, school: str, authority: str
) -> None:
    found = await managing_authority(connection, province.ids[school], FOUNDED)
    assert found is not None
    assert found.code == authority


async def test_nobody_manages_a_school_before_it_exists(
    connection: AsyncConnection, province: Province
) -> None:
    assert await managing_authority(connection, province.ids[PRIMARY], date(2025, 6, 30)) is None


async def test_a_school_inherits_its_province(connection: AsyncConnection, province: Province) -> None:
    found = await find_organisation(connection, UPPER)
    assert found is not None
    assert (found.province_code, found.levels) == ("66", ("03", "04"))


@pytest.mark.parametrize(
    ("draft", "code"),
    [
        (replace(DRAFT, code="66-1"), "QH-040"),
        (replace(DRAFT, code=PRIMARY), "QH-041"),
        (replace(DRAFT, parent_code="99999"), "QH-042"),
        (replace(DRAFT, parent_code=None), "QH-042"),
        (replace(DRAFT, parent_code=PRIMARY), "QH-042"),
        (replace(DRAFT, parent_code="BGDDT"), "QH-042"),
        (replace(DRAFT, kind=OrganisationKind.MINISTRY, code="BO2", parent_code="66"), "QH-042"),
        (replace(DRAFT, parent_code="66"), "QH-043"),  # a primary school without a commune
        (replace(DRAFT, managed_by="13669"), "QH-043"),  # another province's commune
        (replace(DRAFT, managed_by=PRIMARY), "QH-043"),
        (replace(DRAFT, managed_by="99999"), "QH-043"),
        (replace(DRAFT, valid_from=date(2020, 1, 1)), "QH-043"),  # before its commune existed
        (replace(DRAFT, levels=()), "QH-044"),
        (replace(DRAFT, levels=("01",)), "QH-044"),
    ],
)
async def test_what_does_not_fit_is_refused(
    connection: AsyncConnection, province: Province, draft: OrganisationDraft, code: str
) -> None:
    with pytest.raises(DomainError) as refused:
        await create_organisation(connection, draft, now=NOW, actor=System())
    assert refused.value.code == code
    assert refused.value.cause.detail_vi.format(**refused.value.facts)


async def test_a_stated_authority_wins_over_the_default(
    connection: AsyncConnection, province: Province
) -> None:
    made = await create_organisation(connection, replace(DRAFT, managed_by="66"), now=NOW, actor=System())
    found = await managing_authority(connection, made.id, FOUNDED)
    assert found is not None
    assert found.code == "66"


async def test_management_changes_from_a_day_on(connection: AsyncConnection, province: Province) -> None:
    await change_management(
        connection, PRIMARY, authority_code="24154", valid_from=date(2026, 6, 1), now=NOW, actor=System()
    )
    before = await managing_authority(connection, province.ids[PRIMARY], date(2026, 5, 31))
    after = await managing_authority(connection, province.ids[PRIMARY], date(2026, 6, 1))
    assert before is not None
    assert after is not None
    assert (before.code, after.code) == ("24133", "24154")


@pytest.mark.parametrize(
    ("school", "authority", "day", "code"),
    [
        ("66A0009999", "24154", date(2026, 6, 1), "QH-057"),
        ("24133", "24154", date(2026, 6, 1), "QH-057"),
        (PRIMARY, "13669", date(2026, 6, 1), "QH-043"),
        (PRIMARY, "24154", FOUNDED, "QH-045"),
    ],
)
async def test_a_change_of_management_that_does_not_fit_is_refused(
    *, connection: AsyncConnection, province: Province, school: str, authority: str, day: date, code: str
) -> None:
    with pytest.raises(DomainError) as refused:
        await change_management(
            connection, school, authority_code=authority, valid_from=day, now=NOW, actor=System()
        )
    assert refused.value.code == code


async def test_an_organisation_is_renamed_and_ended(connection: AsyncConnection, province: Province) -> None:
    changed = await change_organisation(
        connection, "24154", name="UBND phường Ea Kao", valid_to=date(2027, 1, 1), now=NOW, actor=System()
    )
    assert (changed.name, changed.valid_to) == ("UBND phường Ea Kao", date(2027, 1, 1))
    with pytest.raises(DomainError, match="QH-045"):
        await change_organisation(connection, "24154", valid_to=FOUNDED, now=NOW, actor=System())
    with pytest.raises(DomainError, match="QH-005"):
        await change_organisation(connection, "00000", name="x", now=NOW, actor=System())


async def test_a_school_takes_up_a_level_and_keeps_its_authority(
    connection: AsyncConnection, province: Province
) -> None:
    changed = await change_organisation(connection, SECONDARY, levels=("03", "02"), now=NOW, actor=System())
    assert changed.levels == ("02", "03")
    authority = await managing_authority(connection, changed.id, legal_date(NOW))
    assert authority is not None
    assert authority.code == "24133"
    for code, levels in ((SECONDARY, ("03", "99")), (SECONDARY, ()), ("24133", ("02",))):
        with pytest.raises(DomainError) as refused:
            await change_organisation(connection, code, levels=levels, now=NOW, actor=System())
        assert refused.value.code == "QH-044"


async def test_every_change_is_in_the_audit_log(connection: AsyncConnection, province: Province) -> None:
    await change_organisation(connection, "24154", name="UBND phường", now=NOW, actor=System())
    rows = await connection.execute(select(audit_event.c.tag))
    tags = Counter(row.tag for row in rows)
    assert tags[AuditTag.ORGANISATION_CREATED] == len(province.ids)
    assert tags[AuditTag.ORGANISATION_CHANGED] == 1


async def test_lists_go_on_after_a_code(connection: AsyncConnection, province: Province) -> None:
    first = await list_organisations(connection, kind=OrganisationKind.COMMUNE, limit=2)
    rest = await list_organisations(connection, kind=OrganisationKind.COMMUNE, after=first[-1].code, limit=5)
    assert [found.code for found in (*first, *rest)] == ["13669", "24133", "24154"]
    local = await list_organisations(connection, province_code="37", limit=10)
    assert [found.code for found in local] == ["13669", "37", "37A0000201"]
