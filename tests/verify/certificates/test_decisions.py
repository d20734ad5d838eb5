"""A certificate's life: one table in the code, one in the database, and they say the same."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from itertools import product
from uuid import UUID

import pytest
import pytest_asyncio
from sqlalchemy import insert, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.actors import Officer
from app.db import open_engine, transaction
from app.errors import DomainError
from app.formats.profile import SignerRole
from app.ids import uuid7
from app.organisations.tree import change_management
from app.verify.certificates.decisions import (
    SOURCES,
    TARGETS,
    Action,
    Decision,
    RevocationReason,
    decide,
)
from app.verify.certificates.enrolment import open_challenge, register
from app.verify.certificates.possession import Proof
from app.verify.certificates.registry import entries_for, history
from app.verify.certificates.standing import (
    CERTIFICATE_LIFECYCLE,
    CertificateEntry,
    CertificateState,
    Standing,
    standing_at,
)
from app.verify.certificates.tables import certificate
from tests.builders.enrolment import sign_possession
from tests.builders.pki import infrastructure
from tests.builders.province import NOW, PRIMARY, Province, build_province

PAIRS = list(product(CertificateState, repeat=2))


@pytest_asyncio.fixture(loop_scope="session")
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    opened = open_engine(database_url, pool_size=3)
    yield opened
    await opened.dispose()


async def registered(engine: AsyncEngine) -> tuple[UUID, Province]:
    holder = infrastructure().seal
    async with transaction(engine) as connection:
        province = await build_province(connection)
        vendor = province.clients["vendor"]
        challenge = await open_challenge(connection, PRIMARY, now=NOW, actor=vendor)
        proof = Proof(algorithm="RS256", signature=sign_possession(holder.key, challenge.nonce, "RS256"))
        made = await register(
            connection,
            school_code=PRIMARY,
            role=SignerRole.SCHOOL,
            certificate=holder.certificate,
            challenge_id=challenge.id,
            proof=proof,
            now=NOW,
            actor=vendor,
        )
    return made, province


async def registered_entry(connection: AsyncConnection) -> CertificateEntry:
    fingerprint = infrastructure().seal.fingerprint
    (entry,) = (await entries_for(connection, [fingerprint]))[fingerprint]
    return entry


def test_actions_are_exactly_the_moves_of_the_lifecycle() -> None:
    moves = {(source, TARGETS[action]) for action in Action for source in SOURCES[action]}
    assert moves == {pair for pair in PAIRS if CERTIFICATE_LIFECYCLE.may_become(*pair)}


async def test_the_database_allows_exactly_the_moves_of_the_lifecycle(engine: AsyncEngine) -> None:
    _, province = await registered(engine)
    refused = set()
    for number, (source, target) in enumerate(PAIRS):
        row_id = uuid7(NOW)
        async with transaction(engine) as connection:
            await connection.execute(
                insert(certificate).values(
                    id=row_id,
                    school_id=province.ids[PRIMARY],
                    role="THU_TRUONG",
                    fingerprint=f"{number:064x}",
                    key_fingerprint="0" * 64,
                    der=b"x",
                    subject="x",
                    issuer="x",
                    serial_number="1",
                    not_before=NOW,
                    not_after=NOW,
                    registered_by="x",
                    state=source,
                )
            )
        try:
            async with transaction(engine) as connection:
                await connection.execute(
                    update(certificate).where(certificate.c.id == row_id).values(state=target)
                )
        except DBAPIError as error:
            refused.add((source, target, error.orig.sqlstate))  # type: ignore[union-attr]
    stays = {(state, state) for state in CertificateState}
    allowed = {pair for pair in PAIRS if CERTIFICATE_LIFECYCLE.may_become(*pair)}
    assert refused == {(*pair, "42501") for pair in set(PAIRS) - allowed - stays}


async def test_history_ascends_even_where_clocks_go_back(engine: AsyncEngine) -> None:
    made, province = await registered(engine)
    officer = province.officers["tanlap"]
    moments = (NOW, NOW, NOW - timedelta(hours=1), NOW)
    decisions = (
        Decision(action=Action.APPROVE),
        Decision(action=Action.SUSPEND, reason="x"),
        Decision(action=Action.REINSTATE),
        Decision(action=Action.REVOKE, reason_code=RevocationReason.KEY_COMPROMISE),
    )
    for now, decision in zip(moments, decisions, strict=True):
        async with transaction(engine) as connection:
            await decide(connection, made, decision, now=now, officer=officer)
    async with transaction(engine) as connection:
        lines = await history(connection, made)
        entry = await registered_entry(connection)
    assert [line.at for line in lines] == sorted({line.at for line in lines})
    assert [line.target for line in lines] == ["pending", "approved", "suspended", "approved", "revoked"]
    assert lines[-1].reason_code == "keyCompromise"
    assert entry.state is CertificateState.REVOKED


async def test_standing_follows_from_what_was_decided(engine: AsyncEngine) -> None:
    made, province = await registered(engine)
    officer, day = province.officers["tanlap"], timedelta(days=1)

    async def standing(at_days: int) -> Standing:
        async with transaction(engine) as connection:
            entry = await registered_entry(connection)
        return standing_at(entry, NOW + at_days * day)

    async def decided(decision: Decision, on_day: int) -> None:
        async with transaction(engine) as connection:
            await decide(connection, made, decision, now=NOW + on_day * day, officer=officer)

    assert await standing(0) is Standing.PENDING
    await decided(Decision(action=Action.APPROVE), 1)
    assert await standing(0) is Standing.APPROVED
    await decided(Decision(action=Action.SUSPEND, reason="x", effective_at=NOW + 2 * day), 3)
    await decided(Decision(action=Action.REINSTATE), 4)
    assert [await standing(at) for at in (1, 2, 3, 5)] == [
        Standing.APPROVED,
        Standing.SUSPENDED,
        Standing.SUSPENDED,
        Standing.APPROVED,
    ]
    await decided(Decision(action=Action.REVOKE, reason="lộ khoá", effective_at=NOW + 5 * day), 9)
    assert [await standing(at) for at in (1, 5, 9)] == [
        Standing.APPROVED,
        Standing.REVOKED,
        Standing.REVOKED,
    ]


async def test_of_two_officers_deciding_at_once_one_is_told_so(engine: AsyncEngine) -> None:
    made, province = await registered(engine)
    officer = province.officers["tanlap"]
    approve = Decision(action=Action.APPROVE)
    async with transaction(engine) as first:
        await decide(first, made, approve, now=NOW, officer=officer)
        second = asyncio.create_task(_decide_alone(engine, made, officer))
        await asyncio.sleep(0.3)
        assert not second.done()
    assert await second == "QH-020"


async def _decide_alone(engine: AsyncEngine, made: UUID, officer: Officer) -> str:
    try:
        async with transaction(engine) as connection:
            reject = Decision(action=Action.REJECT, reason="x")
            state = await decide(connection, made, reject, now=NOW, officer=officer)
    except DomainError as error:
        return error.code
    return state


async def test_competence_is_read_on_the_legal_day_of_the_act(engine: AsyncEngine) -> None:
    made, province = await registered(engine)
    midnight = datetime(2026, 5, 31, 17, 0, tzinfo=UTC)
    async with transaction(engine) as connection:
        await change_management(
            connection,
            PRIMARY,
            authority_code="24154",
            valid_from=date(2026, 6, 1),
            now=NOW,
            actor=province.officers["quantri"],
        )
    approve = Decision(action=Action.APPROVE)
    for officer, now in (("eakao", midnight - timedelta(microseconds=1)), ("tanlap", midnight)):
        with pytest.raises(DomainError, match="QH-005"):
            async with transaction(engine) as connection:
                await decide(connection, made, approve, now=now, officer=province.officers[officer])
    async with transaction(engine) as connection:
        state = await decide(connection, made, approve, now=midnight, officer=province.officers["eakao"])
    assert state is CertificateState.APPROVED
