"""Accounts of officers."""

from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Role, System
from app.errors import DomainError
from app.organisations.accounts import (
    AccountDraft,
    account_of_subject,
    change_account,
    count_administrators,
    create_account,
    list_accounts,
    sign_in_facts,
)
from tests.builders.province import NOW, PRIMARY, Province, account_id

DRAFT = AccountDraft(
    username="nguoi.moi",
    full_name="Người mới",
    role=Role.COMMUNE_OFFICER,
    organisation_code="24133",
    password_hash="-",
)


@pytest.mark.parametrize(
    ("draft", "code"),
    [
        (replace(DRAFT, username="Hoa"), "QH-051"),
        (replace(DRAFT, username="ab"), "QH-051"),
        (replace(DRAFT, username="a\x00bc"), "QH-051"),
        (replace(DRAFT, password_hash=None), "QH-054"),
        (replace(DRAFT, organisation_code="99999"), "QH-057"),
        (replace(DRAFT, organisation_code="66"), "QH-053"),
        (replace(DRAFT, organisation_code=PRIMARY), "QH-053"),
        (replace(DRAFT, role=Role.SCHOOL_SOFTWARE), "QH-053"),
        (replace(DRAFT, role=Role.MINISTRY_OFFICER), "QH-053"),
        (replace(DRAFT, role=Role.ADMINISTRATOR), "QH-053"),
        (replace(DRAFT, username="tanlap"), "QH-050"),
        (replace(DRAFT, external_subject="sub-tanlap"), "QH-050"),
    ],
)
async def test_what_does_not_fit_is_refused(
    connection: AsyncConnection, province: Province, draft: AccountDraft, code: str
) -> None:
    with pytest.raises(DomainError) as refused:
        await create_account(connection, draft, now=NOW, actor=System())
    assert refused.value.code == code


async def test_accounts_without_a_subject_do_not_collide(
    connection: AsyncConnection, province: Province
) -> None:
    for username in ("mot", "hai"):
        made = await create_account(connection, replace(DRAFT, username=username), now=NOW, actor=System())
        assert (made.username, made.organisation_code) == (username, "24133")


async def test_an_account_is_found_by_name_and_by_subject(
    connection: AsyncConnection, province: Province
) -> None:
    found, stored = await sign_in_facts(connection, "tanlap")
    assert found is not None
    assert (found.role, found.organisation_code, stored) == (Role.COMMUNE_OFFICER, "24133", "-")
    assert await sign_in_facts(connection, "nobody") == (None, None)
    assert await sign_in_facts(connection, "\x00") == (None, None)
    assert await account_of_subject(connection, "sub-tanlap") == found
    assert await account_of_subject(connection, "sub-nobody") is None


async def test_an_account_is_disabled_but_never_the_last_administrator(
    connection: AsyncConnection, province: Province
) -> None:
    changed = await change_account(
        connection, account_id(province, "tanlap"), is_active=False, now=NOW, actor=System()
    )
    assert not changed.is_active
    with pytest.raises(DomainError, match="QH-055"):
        await change_account(
            connection, account_id(province, "quantri"), is_active=False, now=NOW, actor=System()
        )
    second = replace(DRAFT, username="quantri2", role=Role.ADMINISTRATOR, organisation_code="66")
    await create_account(connection, second, now=NOW, actor=System())
    await change_account(
        connection, account_id(province, "quantri"), is_active=False, now=NOW, actor=System()
    )
    assert await count_administrators(connection) == 1
    with pytest.raises(DomainError, match="QH-005"):
        await change_account(connection, uuid4(), is_active=False, now=NOW, actor=System())


async def test_lists_go_on_after_a_name(connection: AsyncConnection, province: Province) -> None:
    first = await list_accounts(connection, limit=4)
    rest = await list_accounts(connection, after=first[-1].username, limit=100)
    names = [found.username for found in (*first, *rest)]
    assert names == sorted(province.officers)
