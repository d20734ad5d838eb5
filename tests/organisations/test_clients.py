"""Clients and the schools that authorised them."""

from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Purpose, System
from app.errors import DomainError
from app.organisations.clients import (
    Credentials,
    authorise,
    create_client,
    credentials,
    find_client,
    list_clients,
    renew_secret,
    set_active,
    withdraw_authorisation,
)
from app.organisations.passwords import is_secret
from tests.builders.province import NOW, OTHER_PRIMARY, PRIMARY, Province


async def test_a_secret_is_shown_once_and_kept_as_a_digest(
    connection: AsyncConnection, province: Province
) -> None:
    found = await credentials(connection, "vendor")
    secret = province.secrets["vendor"]
    assert found.row_id == province.clients["vendor"].client_id
    assert found.is_active
    assert found.secret_hash != secret
    assert is_secret(found.secret_hash, secret)
    assert await credentials(connection, "nobody") == Credentials()
    assert await credentials(connection, "\x00") == Credentials()


@pytest.mark.parametrize(
    ("schools", "below"), [((PRIMARY,), "66"), ((), PRIMARY), ((), "99"), ((), "khong-co")]
)
async def test_a_sector_system_acts_for_no_school_and_looks_up_below_an_authority(
    connection: AsyncConnection, province: Province, schools: tuple[str, ...], below: str
) -> None:
    with pytest.raises(DomainError) as refused:
        await create_client(
            connection, name="Tuyển sinh", school_codes=schools, sector=(Purpose.ADMISSIONS, below),
            now=NOW, actor=System(),
        )  # fmt: skip
    assert refused.value.code == "QH-101"


async def test_a_sector_system_is_authorised_by_no_school_afterwards(
    connection: AsyncConnection, province: Province
) -> None:
    made, _ = await create_client(
        connection, name="Tuyển sinh", sector=(Purpose.ADMISSIONS, "66"), now=NOW, actor=System()
    )
    assert (made.purpose, made.organisation_code) == (Purpose.ADMISSIONS, "66")
    with pytest.raises(DomainError) as refused:
        await authorise(connection, made.id, PRIMARY, now=NOW, actor=System())
    assert refused.value.code == "QH-101"


async def test_an_authorisation_has_a_beginning_and_an_end(
    connection: AsyncConnection, province: Province
) -> None:
    row_id = province.clients["vendor"].client_id
    later = NOW + timedelta(hours=1)
    await authorise(connection, row_id, OTHER_PRIMARY, now=NOW, actor=System())
    await authorise(connection, row_id, OTHER_PRIMARY, now=later, actor=System())
    before = await find_client(connection, row_id, NOW - timedelta(seconds=1))
    during = await find_client(connection, row_id, NOW)
    await withdraw_authorisation(connection, row_id, OTHER_PRIMARY, now=later, actor=System())
    after = await find_client(connection, row_id, later)
    assert before is not None
    assert during is not None
    assert after is not None
    assert OTHER_PRIMARY not in before.school_codes
    assert OTHER_PRIMARY in during.school_codes
    assert province.ids[OTHER_PRIMARY] in during.school_ids
    assert OTHER_PRIMARY not in after.school_codes
    with pytest.raises(DomainError, match="QH-005"):
        await withdraw_authorisation(connection, row_id, OTHER_PRIMARY, now=later, actor=System())


@pytest.mark.parametrize(
    ("client_id", "schools", "code"),
    [("vendor", (), "QH-056"), ("a b", (), "QH-056"), (None, ("24133",), "QH-057"), (None, ("x",), "QH-057")],
)
async def test_what_does_not_fit_is_refused(
    connection: AsyncConnection,
    province: Province,
    client_id: str | None,
    schools: tuple[str, ...],
    code: str,
) -> None:
    with pytest.raises(DomainError) as refused:
        await create_client(
            connection, name="x", client_id=client_id, school_codes=schools, now=NOW, actor=System()
        )
    assert refused.value.code == code


async def test_an_authorisation_that_is_given_again_ends_when_it_is_now_said_to(
    connection: AsyncConnection, province: Province
) -> None:
    row_id = province.clients["vendor"].client_id
    for days in (30, 60, None, 7):
        end = None if days is None else NOW + timedelta(days=days)
        await authorise(connection, row_id, OTHER_PRIMARY, now=NOW, actor=System(), valid_to=end)
    for at, is_authorised in ((timedelta(days=6), True), (timedelta(days=7), False)):
        found = await find_client(connection, row_id, NOW + at)
        assert found is not None
        assert (OTHER_PRIMARY in found.school_codes) is is_authorised
    with pytest.raises(DomainError) as refused:
        await authorise(connection, row_id, OTHER_PRIMARY, now=NOW, actor=System(), valid_to=NOW)
    assert refused.value.code == "QH-045"


async def test_a_client_without_schools_sees_none(connection: AsyncConnection, province: Province) -> None:
    made, _ = await create_client(connection, name="Mới", now=NOW, actor=System())
    assert (made.school_ids, made.school_codes) == (frozenset(), ())
    assert made.client_id.startswith("client-")


async def test_a_renewed_secret_replaces_the_old_one(connection: AsyncConnection, province: Province) -> None:
    row_id = province.clients["vendor"].client_id
    fresh = await renew_secret(connection, row_id, now=NOW, actor=System())
    stored = (await credentials(connection, "vendor")).secret_hash
    assert is_secret(stored, fresh)
    assert not is_secret(stored, province.secrets["vendor"])


async def test_a_disabled_client_is_told_as_such(connection: AsyncConnection, province: Province) -> None:
    row_id = province.clients["vendor"].client_id
    changed = await set_active(connection, row_id, is_active=False, now=NOW, actor=System())
    assert not changed.is_active
    assert (await credentials(connection, "vendor")).is_active is False
    assert PRIMARY in changed.school_codes
    assert [found.client_id for found in await list_clients(connection, at=NOW, after="rival", limit=9)] == [
        "vendor"
    ]


async def test_a_departments_own_instance_acts_for_no_school(
    connection: AsyncConnection, province: Province
) -> None:
    made, _ = await create_client(
        connection, name="Sở", client_id="so-66", department_code="66", now=NOW, actor=System()
    )
    assert (made.department_code, made.school_codes) == ("66", ())
    with pytest.raises(DomainError, match="QH-120"):
        await authorise(connection, made.id, PRIMARY, now=NOW, actor=System())
    for department, schools in (("66", (PRIMARY,)), ("24133", ()), ("99", ())):
        with pytest.raises(DomainError, match="QH-120"):
            await create_client(
                connection, name="A", department_code=department, school_codes=schools, now=NOW,
                actor=System(),
            )  # fmt: skip
