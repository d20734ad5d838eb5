"""Records put into the ledger the way judging does, without packages and signatures around them."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from random import Random
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import transaction
from app.formats.profile import TranscriptFacts
from app.recalls.superseding import supersede_requests
from app.records import Clash, Entry, ReplacementRule, append, find_clashes, hold_places
from app.records.entry import SignatureView
from app.records.reading import events_of, find_record
from app.records.status import RecordEventKind
from app.records.tables import active_record, record

RECEIVED_AT: Final = datetime(2026, 5, 29, 2, 0, tzinfo=UTC)
PUPIL: Final = "066215000001"
SIGNATURE: Final = SignatureView(
    position=1,
    role="NHA_TRUONG",
    indication="passed",
    fingerprint="ab" * 32,
    subject="CN=Trường thử nghiệm",
    signed_at=RECEIVED_AT,
    algorithm="RS256",
)


FACTS: Final = TranscriptFacts(
    record_id=UUID(int=0),
    replaces=None,
    is_digitised=False,
    circular="27/2020/TT-BGDĐT",
    level="02",
    school_year="2025-2026",
    school_code="-",
    school_name="-",
    grade=4,
    class_name="4A",
    student_code="-",
    identity_number=PUPIL,
    passport_number=None,
    full_name="Học sinh thử nghiệm",
    born_on=date(2015, 9, 2),
    sex="NU",
    is_completed=True,
    is_promoted=True,
    issued_on=date(2026, 5, 28),
    people=(),
)


def entry(
    school_id: int,
    *,
    pupil: str = PUPIL,
    school_year: int = 2025,
    level: str = "02",
    grade: int = 4,
    record_id: UUID | None = None,
    replaces: UUID | None = None,
    received_at: datetime = RECEIVED_AT,
    is_completed: bool = True,
    position: int = 1,
    student_code: str | None = None,
) -> Entry:
    """A verified transcript of a pupil, ready for the ledger."""
    code = record_id or uuid4()
    xml = f"<HocBa>{code}</HocBa>".encode()
    facts = replace(
        FACTS,
        record_id=code,
        replaces=replaces,
        level=level,
        school_year=f"{school_year}-{school_year + 1}",
        grade=grade,
        class_name=f"{grade}A",
        student_code=student_code or f"66{pupil[-8:]}",
        identity_number=pupil,
        is_completed=is_completed,
    )
    return Entry(
        school_id=school_id,
        school_year=school_year,
        package_id=uuid4(),
        position=position,
        facts=facts,
        xml=xml,
        xml_sha256=hashlib.sha256(xml).digest(),
        content_sha256=hashlib.sha256(xml).digest(),
        format_version="1.0",
        policy_version="test-1",
        signatures=(SIGNATURE,),
        is_late=False,
        calendar_version="test-1",
        received_at=received_at,
    )


def of_class(made: Entry, class_name: str, *, signers: int = 1, length: int = 2000) -> Entry:
    """The same in a class: a little of its own, and what the class's signers put under all of them."""

    def hard_to_press(seed: int | str, octets: int) -> str:
        return Random(seed).randbytes(octets).hex()

    own, shared = hard_to_press(made.facts.record_id.int, 100), hard_to_press(f"signers {signers}", length)
    xml = f"<HocBa>{own}{shared}</HocBa>".encode()
    return replace(
        made,
        xml=xml,
        xml_sha256=hashlib.sha256(xml).digest(),
        facts=replace(made.facts, class_name=class_name),
    )


async def put(
    engine: AsyncEngine, made: Entry, *, rule: ReplacementRule | None = None, now: datetime = RECEIVED_AT
) -> Clash | None:
    """Judge one entry against the ledger and append it; gives why not, again and again as judging does."""
    while True:
        async with transaction(engine) as connection:
            clashes = await find_clashes(connection, [made], rule=rule)
        if clashes:
            return clashes[made.position][0]
        async with engine.connect() as connection:
            held = await hold_places(connection, [made])
            if held:
                if made.facts.replaces is not None:
                    await supersede_requests(connection, {made.facts.replaces: made.facts.record_id})
                await append(connection, [made], now=now)
                await connection.commit()
                return None
            await connection.rollback()


async def issue(
    engine: AsyncEngine,
    school_id: int,
    *,
    pupil: str = PUPIL,
    school_year: int = 2025,
    level: str = "02",
    grade: int = 4,
    replaces: UUID | None = None,
    received_at: datetime = RECEIVED_AT,
) -> UUID:
    """Issue a record that must be taken; gives its look-up code."""
    made = entry(
        school_id, pupil=pupil, school_year=school_year, level=level, grade=grade, replaces=replaces,
        received_at=received_at,
    )  # fmt: skip
    assert await put(engine, made) is None
    return made.facts.record_id


async def standing(engine: AsyncEngine) -> Mapping[tuple[str, int, str], UUID]:
    """Which record stands where."""
    async with transaction(engine) as connection:
        rows = await connection.execute(select(active_record))
        return {(row.pupil_key, row.school_year, row.level): row.record_id for row in rows}


async def stored_bytes(engine: AsyncEngine) -> Mapping[UUID, tuple[bytes, bytes]]:
    """The bytes of every record, with their digest."""
    async with transaction(engine) as connection:
        rows = await connection.execute(select(record.c.record_id, record.c.xml, record.c.xml_sha256))
        return {row.record_id: (row.xml, row.xml_sha256) for row in rows}


async def happened(engine: AsyncEngine, record_id: UUID) -> list[RecordEventKind]:
    """What has happened to a record, in order."""
    async with transaction(engine) as connection:
        view = await find_record(connection, record_id, lambda column: column.is_not(None))
        assert view is not None
        return [event.kind for event in await events_of(connection, view)]
