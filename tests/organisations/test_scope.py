"""Who sees which schools, and the one answer for what they do not see."""

from datetime import date

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Actor, Anonymous, System
from app.errors import DomainError
from app.organisations.scope import in_scope, require_in_scope, school_for
from app.organisations.tables import organisation
from app.organisations.tree import change_management
from tests.builders.province import (
    CONTINUING,
    FOREIGN,
    NOW,
    OTHER_PRIMARY,
    PRIMARY,
    SECONDARY,
    UPPER,
    Province,
)

TODAY = date(2026, 5, 29)
LOCAL = {PRIMARY, SECONDARY, OTHER_PRIMARY, UPPER, CONTINUING}


async def seen(connection: AsyncConnection, actor: Actor, on: date = TODAY) -> set[str]:
    rows = await connection.execute(
        select(organisation.c.code).where(
            organisation.c.kind == "school", in_scope(organisation.c.id, actor, on)
        )
    )
    return {row.code for row in rows}


@pytest.mark.parametrize(
    ("officer", "schools"),
    [
        ("tanlap", {PRIMARY, SECONDARY}),  # not UPPER: it stands there, the department manages it
        ("eakao", {OTHER_PRIMARY}),
        ("hoalu", {FOREIGN}),
        ("so66", LOCAL),
        ("so37", {FOREIGN}),
        ("bogddt", LOCAL | {FOREIGN}),
        ("thanhtra66", LOCAL),
        ("thanhtrabo", LOCAL | {FOREIGN}),
        ("quantri", set()),
    ],
)
async def test_officers_see_what_their_organisation_stands_over(
    connection: AsyncConnection, province: Province, officer: str, schools: set[str]
) -> None:
    assert await seen(connection, province.officers[officer]) == schools


async def test_clients_see_the_schools_that_authorised_them(
    connection: AsyncConnection, province: Province
) -> None:
    assert await seen(connection, province.clients["vendor"]) == {PRIMARY, SECONDARY, UPPER, CONTINUING}
    assert await seen(connection, province.clients["rival"]) == {OTHER_PRIMARY, FOREIGN}
    assert await seen(connection, Anonymous()) == set()
    assert await seen(connection, System()) == LOCAL | {FOREIGN}


async def test_a_commune_sees_a_school_from_the_day_it_manages_it(
    connection: AsyncConnection, province: Province
) -> None:
    await change_management(
        connection, PRIMARY, authority_code="24154", valid_from=date(2026, 6, 1), now=NOW, actor=System()
    )
    eakao, tanlap = province.officers["eakao"], province.officers["tanlap"]
    assert await seen(connection, eakao) == {OTHER_PRIMARY}
    assert await seen(connection, eakao, date(2026, 6, 1)) == {OTHER_PRIMARY, PRIMARY}
    assert await seen(connection, tanlap, date(2026, 6, 1)) == {SECONDARY}


async def test_out_of_scope_is_answered_like_unknown(connection: AsyncConnection, province: Province) -> None:
    eakao = province.officers["eakao"]
    answers = []
    for school_id in (province.ids[PRIMARY], 10**6):
        with pytest.raises(DomainError) as refused:
            await require_in_scope(connection, eakao, school_id, TODAY)
        answers.append((refused.value.code, refused.value.facts))
    assert answers == [("QH-005", {}), ("QH-005", {})]
    await require_in_scope(connection, eakao, province.ids[OTHER_PRIMARY], TODAY)


@pytest.mark.parametrize("code", [OTHER_PRIMARY, "66A0009999", "24133", "x", "\x00"])
async def test_a_client_acts_only_for_its_own_schools(
    connection: AsyncConnection, province: Province, code: str
) -> None:
    with pytest.raises(DomainError) as refused:
        await school_for(connection, province.clients["vendor"], code, TODAY)
    assert (refused.value.code, refused.value.facts) == ("QH-004", {"school_code": code})
    assert (await school_for(connection, province.clients["vendor"], PRIMARY, TODAY)).code == PRIMARY
