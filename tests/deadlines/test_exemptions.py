"""The paper register: entered by the department, withdrawn with a reason, never removed."""

from uuid import UUID, uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from app.deadlines.exemptions import (
    ExemptionDraft,
    find_exemption,
    list_exemptions,
    register_exemption,
    withdraw_exemption,
)
from app.deadlines.lives import ExemptionState
from app.errors import DomainError
from app.organisations.tree import legal_date
from tests.builders.province import FOREIGN, NOW, PRIMARY, Province


async def enter(
    connection: AsyncConnection,
    province: Province,
    *,
    school: str = PRIMARY,
    grade: int | None = 5,
    class_name: str | None = "5A",
    reason: str = "chưa có hạ tầng",
) -> UUID:
    draft = ExemptionDraft(
        school_code=school, school_year=2025, pupils=31, reason=reason, grade=grade, class_name=class_name
    )
    return await register_exemption(connection, draft, now=NOW, officer=province.officers["so66"])


async def withdraw(
    connection: AsyncConnection,
    province: Province,
    exemption_id: UUID,
    *,
    officer: str = "so66",
    reason: str | None = "đã đủ điều kiện",
) -> None:
    await withdraw_exemption(
        connection, exemption_id, reason=reason, now=NOW, officer=province.officers[officer]
    )


async def test_an_entry_stands_until_it_is_withdrawn(connection: AsyncConnection, province: Province) -> None:
    exemption_id = await enter(connection, province)
    entered = await find_exemption(connection, exemption_id)
    assert entered is not None
    assert (entered.school_code, entered.class_name, entered.pupils) == (PRIMARY, "5A", 31)
    assert (entered.state, entered.withdrawn_at, entered.registered_at) == (
        ExemptionState.REGISTERED,
        None,
        NOW,
    )
    await withdraw(connection, province, exemption_id)
    withdrawn = await find_exemption(connection, exemption_id)
    assert withdrawn is not None
    assert (withdrawn.state, withdrawn.withdrawn_at, withdrawn.withdrawal_reason) == (
        ExemptionState.WITHDRAWN,
        NOW,
        "đã đủ điều kiện",
    )


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"school": FOREIGN}, "QH-005"),
        ({"reason": ""}, "QH-023"),
        ({"grade": None}, "TH-030"),
    ],
)
async def test_what_may_be_entered(
    connection: AsyncConnection, province: Province, options: dict[str, object], code: str
) -> None:
    with pytest.raises(DomainError) as refused:
        await enter(connection, province, **options)  # type: ignore[arg-type]  # by name
    assert refused.value.code == code


async def test_who_may_withdraw_and_how(connection: AsyncConnection, province: Province) -> None:
    exemption_id = await enter(connection, province)
    for options, code in (({"officer": "so37"}, "QH-005"), ({"reason": " "}, "QH-023")):
        with pytest.raises(DomainError) as refused:
            await withdraw(connection, province, exemption_id, **options)
        assert refused.value.code == code
    await withdraw(connection, province, exemption_id)
    with pytest.raises(DomainError) as refused:
        await withdraw(connection, province, exemption_id)
    assert refused.value.code == "TH-031"
    with pytest.raises(DomainError) as refused:
        await withdraw(connection, province, uuid4())
    assert refused.value.code == "QH-005"


async def test_the_register_is_read_in_scope(connection: AsyncConnection, province: Province) -> None:
    whole = await enter(connection, province, grade=None, class_name=None)
    on = legal_date(NOW)

    async def listed(actor: str, **conditions: object) -> list[UUID]:
        caller = province.officers.get(actor) or province.clients[actor]
        found = await list_exemptions(connection, actor=caller, on=on, limit=9, **conditions)  # type: ignore[arg-type]
        return [view.id for view in found]

    assert await listed("so66") == [whole]
    assert await listed("vendor") == [whole]
    assert await listed("rival") == []
    assert await listed("so37") == []
    assert await listed("so66", school_year=2024) == []
    assert await listed("so66", school_code=PRIMARY, school_year=2025) == [whole]
    assert await listed("so66", after=whole) == []
