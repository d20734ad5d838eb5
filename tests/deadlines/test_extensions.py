"""Extensions: asked for by one officer, decided by another, lapsing by themselves."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.audit import AuditTag, audit_event
from app.db import transaction
from app.deadlines.calendar import Category
from app.deadlines.extensions import (
    ExtensionDraft,
    decide_extension,
    extensions_of,
    find_extension,
    list_extensions,
    request_extension,
)
from app.deadlines.lives import ExtensionState
from app.deadlines.rules import Extension
from app.errors import DomainError
from app.organisations.tree import legal_date
from tests.builders.clock import MovableClock
from tests.builders.province import FOREIGN, NOW, OTHER_PRIMARY, PRIMARY, Province

UNTIL = NOW + timedelta(days=10)
APPROVED, DECLINED = ExtensionState.APPROVED, ExtensionState.DECLINED


async def ask(
    connection: AsyncConnection,
    province: Province,
    school: str = PRIMARY,
    *,
    officer: str = "so66",
    reason: str = "mất điện diện rộng",
    days: int = 10,
) -> UUID:
    draft = ExtensionDraft(
        school_code=school,
        school_year=2025,
        category=Category.CONFIRMED,
        until=NOW + timedelta(days=days),
        reason=reason,
    )
    return await request_extension(connection, draft, now=NOW, officer=province.officers[officer])


async def decide(
    connection: AsyncConnection,
    province: Province,
    extension_id: UUID,
    target: ExtensionState = APPROVED,
    *,
    officer: str = "so66b",
    reason: str | None = None,
) -> None:
    await decide_extension(
        connection, extension_id, target, reason=reason, now=NOW, officer=province.officers[officer]
    )


async def test_approved_by_a_second_officer_it_holds(connection: AsyncConnection, province: Province) -> None:
    extension_id = await ask(connection, province)
    school_id = province.ids[PRIMARY]
    assert await extensions_of(connection, school_id) == ()
    await decide(connection, province, extension_id)
    assert await extensions_of(connection, school_id) == (
        Extension(
            extension_id=extension_id,
            school_year=2025,
            category=Category.CONFIRMED,
            approved_at=NOW,
            until=UNTIL,
        ),
    )
    view = await find_extension(connection, extension_id)
    assert view is not None
    assert (view.state, view.decided_by) == (APPROVED, province.officers["so66b"].id)
    assert view.is_in_force(UNTIL - timedelta(microseconds=1))
    assert not view.is_in_force(UNTIL)
    assert await extensions_of(connection, province.ids[OTHER_PRIMARY]) == ()


async def test_declined_it_never_holds(connection: AsyncConnection, province: Province) -> None:
    extension_id = await ask(connection, province)
    await decide(connection, province, extension_id, DECLINED, reason="không đủ căn cứ")
    assert await extensions_of(connection, province.ids[PRIMARY]) == ()
    view = await find_extension(connection, extension_id)
    assert view is not None
    assert (view.state, view.decision_reason) == (DECLINED, "không đủ căn cứ")
    assert not view.is_in_force(NOW)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"officer": "so66"}, "QH-022"),
        ({"officer": "so37"}, "QH-005"),
        ({"target": DECLINED}, "QH-023"),
        ({"target": DECLINED, "reason": "  "}, "QH-023"),
        ({"target": ExtensionState.REQUESTED}, "TH-021"),
    ],
)
async def test_who_may_decide_and_how(
    connection: AsyncConnection, province: Province, options: dict[str, object], code: str
) -> None:
    extension_id = await ask(connection, province)
    if options.get("target") is ExtensionState.REQUESTED:
        await decide(connection, province, extension_id)
        options = {}
    with pytest.raises(DomainError) as refused:
        await decide(connection, province, extension_id, **options)  # type: ignore[arg-type]  # by name
    assert refused.value.code == code


async def test_what_does_not_exist_is_out_of_scope(connection: AsyncConnection, province: Province) -> None:
    with pytest.raises(DomainError) as refused:
        await decide(connection, province, uuid4())
    assert refused.value.code == "QH-005"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"school": FOREIGN}, "QH-005"),
        ({"school": "24133"}, "QH-005"),
        ({"school": "66A0009999"}, "QH-005"),
        ({"reason": " "}, "QH-023"),
        ({"days": 0}, "TH-020"),
        ({"days": -1}, "TH-020"),
    ],
)
async def test_what_may_be_asked(
    connection: AsyncConnection, province: Province, options: dict[str, object], code: str
) -> None:
    with pytest.raises(DomainError) as refused:
        await ask(connection, province, **options)  # type: ignore[arg-type]  # by name
    assert refused.value.code == code


async def test_what_has_lapsed_is_not_approved_any_more(
    engine: AsyncEngine, province: Province, clock: MovableClock
) -> None:
    async with transaction(engine) as connection:
        extension_id = await ask(connection, province)
    clock.now = UNTIL
    with pytest.raises(DomainError) as refused:
        async with transaction(engine) as connection:
            await decide(connection, province, extension_id)
    assert refused.value.code == "TH-020"
    async with transaction(engine) as connection:
        await decide(connection, province, extension_id, DECLINED, reason="quá hạn")


async def test_of_two_decisions_at_once_one_stands(engine: AsyncEngine, province: Province) -> None:
    async with transaction(engine) as connection:
        extension_id = await ask(connection, province, officer="so66")

    async def one(target: ExtensionState) -> str:
        try:
            async with transaction(engine) as connection:
                await decide(connection, province, extension_id, target, reason="x")
                await asyncio.sleep(0.05)
        except DomainError as error:
            return error.code
        return "done"

    outcomes = await asyncio.gather(one(APPROVED), one(DECLINED))
    assert sorted(outcomes) == ["QH-020", "done"]


async def test_the_list_is_in_scope_filtered_and_ordered(
    connection: AsyncConnection, province: Province
) -> None:
    first = await ask(connection, province)
    second = await ask(connection, province, OTHER_PRIMARY)
    third = await ask(connection, province, FOREIGN, officer="so37")
    await decide(connection, province, first)
    on = legal_date(NOW)

    async def listed(officer: str, **conditions: object) -> set[UUID]:
        found = await list_extensions(
            connection, actor=province.officers[officer], on=on, limit=10, **conditions  # type: ignore[arg-type]
        )  # fmt: skip
        assert [view.id for view in found] == sorted(view.id for view in found)
        return {view.id for view in found}

    assert await listed("so66") == {first, second}
    assert await listed("so37") == {third}
    assert await listed("bogddt") == {first, second, third}
    assert await listed("tanlap") == {first}
    assert await listed("quantri") == set()
    assert await listed("so66", state=APPROVED) == {first}
    assert await listed("so66", school_code=OTHER_PRIMARY) == {second}
    assert await listed("so66", school_year=2024) == set()
    assert await listed("bogddt", after=max(first, second, third)) == set()


async def test_both_acts_are_in_the_audit_log(connection: AsyncConnection, province: Province) -> None:
    extension_id = await ask(connection, province)
    await decide(connection, province, extension_id)
    rows = await connection.execute(
        select(audit_event.c.tag, audit_event.c.actor_id, audit_event.c.school_id)
        .where(audit_event.c.subject == f"extension:{extension_id.hex}")
        .order_by(audit_event.c.tag)
    )
    school = province.ids[PRIMARY]
    assert [tuple(row) for row in rows] == [
        (AuditTag.EXTENSION_DECIDED, province.officers["so66b"].id, school),
        (AuditTag.EXTENSION_REQUESTED, province.officers["so66"].id, school),
    ]
