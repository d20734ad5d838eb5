"""What keeps an entry out of the ledger as it stands: its look-up code or its pupil has a record already."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

from sqlalchemy import ARRAY, Integer, SmallInteger, Text, Uuid, any_, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import Prepared
from app.records.custody import managed_records
from app.records.entry import Clash, Entry, ManagedRecord, ReplacementRule, may_succeed
from app.records.tables import active_pupil_code, active_record, record_claim

_CLAIMS: Final = Prepared(
    select(record_claim.c.record_id, record_claim.c.school_id, record_claim.c.content_sha256).where(
        record_claim.c.record_id == any_(bindparam("record_ids", type_=ARRAY(Uuid)))
    )
)
# Every place that was asked for, and perhaps one of the same pupil at another level or in another year.
_PLACES: Final = Prepared(
    select(active_record).where(
        active_record.c.pupil_key == any_(bindparam("pupil_keys", type_=ARRAY(Text))),
        active_record.c.school_year == any_(bindparam("school_years", type_=ARRAY(SmallInteger))),
        active_record.c.level == any_(bindparam("levels", type_=ARRAY(Text))),
    )
)
_CODE_PLACES: Final = Prepared(
    select(active_pupil_code).where(
        active_pupil_code.c.school_id == any_(bindparam("school_ids", type_=ARRAY(Integer))),
        active_pupil_code.c.student_code == any_(bindparam("student_codes", type_=ARRAY(Text))),
        active_pupil_code.c.school_year == any_(bindparam("school_years", type_=ARRAY(SmallInteger))),
        active_pupil_code.c.level == any_(bindparam("levels", type_=ARRAY(Text))),
    )
)
_MANAGERS: Final = Prepared(
    select(active_record.c.record_id, active_record.c.school_id).where(
        active_record.c.record_id == any_(bindparam("record_ids", type_=ARRAY(Uuid)))
    )
)


class _Standing:
    """Which records stand where entries would, and which school manages each; entries found fit are added."""

    def __init__(self) -> None:
        self._places: dict[tuple[object, ...], UUID] = {}
        self._manager_of: dict[UUID, int] = {}

    async def look_up(self, connection: AsyncConnection, entries: Sequence[Entry]) -> None:
        """Read what stands in the places of entries, by whatever the pupil is known."""
        pupil_keys, school_years, levels = zip(*(entry.place for entry in entries), strict=True)
        period = {"school_years": list(set(school_years)), "levels": list(set(levels))}
        for row in await _PLACES.rows(connection, pupil_keys=list(pupil_keys), **period):
            self._places[row["pupil_key"], row["school_year"], row["level"]] = row["record_id"]
            self._manager_of[row["record_id"]] = row["school_id"]
        by_code = await _CODE_PLACES.rows(
            connection,
            school_ids=list({entry.school_id for entry in entries}),
            student_codes=[entry.facts.student_code for entry in entries],
            **period,
        )
        for row in by_code:
            key = (row["school_id"], row["student_code"], row["school_year"], row["level"])
            self._places[key] = row["record_id"]
        elsewhere = [row["record_id"] for row in by_code if row["record_id"] not in self._manager_of]
        if elsewhere:
            rows = await _MANAGERS.rows(connection, record_ids=elsewhere)
            self._manager_of |= {row["record_id"]: row["school_id"] for row in rows}

    def add(self, entry: Entry) -> None:
        """Let an entry stand in its places."""
        self._places[entry.place] = self._places[entry.code_place] = entry.facts.record_id
        self._manager_of[entry.facts.record_id] = entry.school_id

    def clash(self, entry: Entry) -> tuple[Clash, UUID] | None:
        """Say which record other than its predecessor stands in a place of an entry."""
        for place in (entry.place, entry.code_place):
            other = self._places.get(place)
            if other is not None and other != entry.facts.replaces:
                is_here = self._manager_of.get(other) == entry.school_id
                return (Clash.PUPIL_HAS_RECORD if is_here else Clash.PUPIL_HAS_RECORD_ELSEWHERE), other
        return None


async def find_clashes(
    connection: AsyncConnection, entries: Sequence[Entry], *, rule: ReplacementRule | None = None
) -> Mapping[int, tuple[Clash, UUID]]:
    """Say, by position, which entries clash with the ledger as it stands, and with which record.

    A place that one of the entries leaves is not free for another one of them: whether that is recorded in
    the end is not known here. ``rule`` says whether a standing record may be replaced directly; without one
    it always may.
    """
    if not entries:
        return {}
    claims = await _CLAIMS.rows(connection, record_ids=[entry.facts.record_id for entry in entries])
    claimed = {row["record_id"]: row for row in claims}
    standing = _Standing()
    await standing.look_up(connection, entries)
    named = {entry.facts.replaces for entry in entries if entry.facts.replaces is not None}
    known = dict(await managed_records(connection, named)) if named else {}
    clashes: dict[int, tuple[Clash, UUID]] = {}
    for entry in entries:
        claim = claimed.get(entry.facts.record_id)
        if claim is not None:
            same = (claim["content_sha256"], claim["school_id"]) == (entry.content_sha256, entry.school_id)
            clashes[entry.position] = (Clash.REPEATED if same else Clash.CODE_TAKEN, entry.facts.record_id)
        elif clash := _clash_of_places(entry, standing.clash(entry), known, rule):
            clashes[entry.position] = clash
        else:
            standing.add(entry)
            if entry.facts.replaces is not None:
                followed = known[entry.facts.replaces]
                known[followed.record_id] = replace(followed, stands=False, is_replaced=True)
    return clashes


def _clash_of_places(
    entry: Entry,
    in_place: tuple[Clash, UUID] | None,
    known: Mapping[UUID, ManagedRecord],
    rule: ReplacementRule | None,
) -> tuple[Clash, UUID] | None:
    """Hold an entry against the record it names as its predecessor, if any, and any other in its place."""
    replaces = entry.facts.replaces
    if replaces is None:
        return in_place
    named = known.get(replaces)
    if named is None or not may_succeed(entry, named) or (in_place and not named.stands):
        return Clash.REPLACED_NOT_STANDING, replaces
    why = rule(entry, named) if rule is not None and named.stands else None
    return (why, replaces) if why else in_place
