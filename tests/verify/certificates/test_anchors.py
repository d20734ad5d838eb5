"""The trust list as administered data."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import System
from app.db import open_engine, transaction
from app.errors import DomainError
from app.verify.certificates.anchors import (
    AnchorKind,
    ListedCertificate,
    add_anchor,
    list_anchors,
    trust_list,
    withdraw_anchor,
)
from app.verify.chain import OwnerClass
from tests.builders.pki import Holder, Usage, infrastructure, issue, private_key
from tests.builders.province import NOW

PEOPLE = infrastructure()


@pytest_asyncio.fixture(loop_scope="session")
async def connection(database_url: str) -> AsyncIterator[AsyncConnection]:
    engine = open_engine(database_url, pool_size=2)
    async with transaction(engine) as opened:
        yield opened
    await engine.dispose()


async def add(
    connection: AsyncConnection, holder: Holder, kind: AnchorKind = AnchorKind.ANCHOR
) -> ListedCertificate:
    return await add_anchor(
        connection,
        holder.certificate,
        owner_class=OwnerClass.PUBLIC_SECTOR,
        kind=kind,
        now=NOW,
        actor=System(),
    )


async def test_the_list_is_one_object_for_one_version(connection: AsyncConnection) -> None:
    empty = await trust_list(connection)
    await add(connection, PEOPLE.root)
    listed = await add(connection, PEOPLE.authority, AnchorKind.INTERMEDIATE)
    full = await trust_list(connection)
    assert await trust_list(connection) is full
    assert [anchor.certificate for anchor in full.anchors] == [PEOPLE.root.certificate]
    assert full.intermediates == (PEOPLE.authority.certificate,)
    await withdraw_anchor(connection, listed.id, now=NOW, actor=System())
    less = await trust_list(connection)
    assert less.intermediates == ()
    assert len({empty.version, full.version, less.version}) == 3
    with pytest.raises(DomainError, match="QH-005"):
        await withdraw_anchor(connection, listed.id, now=NOW, actor=System())
    with pytest.raises(DomainError, match="QH-005"):
        await withdraw_anchor(connection, uuid4(), now=NOW, actor=System())


async def test_what_was_withdrawn_may_be_listed_again(connection: AsyncConnection) -> None:
    first = await add(connection, PEOPLE.root)
    with pytest.raises(DomainError, match="QH-032"):
        await add(connection, PEOPLE.root)
    await withdraw_anchor(connection, first.id, now=NOW + timedelta(days=1), actor=System())
    again = await add(connection, PEOPLE.root)
    assert (again.id, again.withdrawn_at) == (first.id, None)
    assert [row.id for row in await list_anchors(connection, limit=9)] == [first.id]
    assert await list_anchors(connection, after=first.id, limit=9) == []


@pytest.mark.parametrize(
    "usage",
    [
        Usage(),
        Usage(has_constraints=False, may_sign=None),
        Usage(is_authority=True, may_sign=True, may_certify=False),
    ],
)
async def test_only_authorities_are_listed(connection: AsyncConnection, usage: Usage) -> None:
    with pytest.raises(DomainError, match="QH-031"):
        await add(connection, issue("Không phải CA", private_key("p256", 60), usage=usage))


async def test_an_old_root_without_key_usage_is_an_authority(connection: AsyncConnection) -> None:
    usage = Usage(is_authority=True, may_sign=None)
    assert (await add(connection, issue("CA cũ", private_key("p256", 61), usage=usage))).withdrawn_at is None
