"""Counting the roll against the ledger: school by school kept in tallies, or for any moment of the past."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ARRAY, DateTime, Integer, TextClause, and_, bindparam, func, or_, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.compliance.causes import TALLIED, ClassTally
from app.compliance.tables import compliance_tally
from app.enrolment.tables import enrolment_class, enrolment_roll
from app.records.changes import school_change

# The pupils of schools in a year, each once, as they stood at a moment: :schools, :school_year, :as_of.
# What was received until then counts as it was judged, even if that was later; refusals and recalls count
# from when they were made. Written as SQL because every step has an index of its own to be read in.
PUPILS: Final = """
WITH roll AS (
    SELECT DISTINCT ON (school_id) school_id, number
    FROM enrolment_roll
    WHERE school_id = ANY(:schools) AND school_year = :school_year AND made_at <= :as_of
    ORDER BY school_id, number DESC
), listed AS (
    SELECT p.school_id, p.student_code, p.grade, p.class_name
    FROM enrolment_pupil p JOIN roll USING (school_id, number)
    WHERE p.school_year = :school_year AND p.school_id = ANY(:schools) AND p.movement <> 'moved_out'
), ended AS (
    SELECT school_id, record_id, bool_or(kind = 'recalled') AS is_recalled
    FROM record_event
    WHERE school_id = ANY(:schools) AND school_year = :school_year
      AND kind IN ('recalled', 'replaced') AND at <= :as_of
    GROUP BY school_id, record_id
), standing AS (
    SELECT DISTINCT ON (r.school_id, r.student_code)
        r.school_id, r.student_code, r.grade, r.class_name, r.is_completed, r.is_late
    FROM record r
    WHERE r.school_id = ANY(:schools) AND r.school_year = :school_year AND r.received_at <= :as_of
      AND NOT EXISTS (SELECT 1 FROM ended e WHERE e.school_id = r.school_id AND e.record_id = r.record_id)
    ORDER BY r.school_id, r.student_code, r.received_at DESC
), open AS (
    SELECT e.school_id, e.student_code, CASE e.target WHEN 'held' THEN 3 ELSE 1 END AS cause
    FROM item_event e
    WHERE e.school_id = ANY(:schools) AND e.school_year = :school_year
      AND e.target <> 'accepted' AND e.at <= :as_of
      AND (e.target <> 'held' OR NOT EXISTS (
          SELECT 1 FROM item_event later
          WHERE later.school_id = e.school_id AND later.school_year = :school_year
            AND later.package_id = e.package_id AND later.position = e.position
            AND later.round > 1 AND later.round > e.round AND later.at <= :as_of))
    UNION ALL
    SELECT r.school_id, r.student_code, 2
    FROM ended e JOIN record r USING (school_id, record_id)
    WHERE e.is_recalled AND r.school_year = :school_year AND r.school_id = ANY(:schools)
), refused AS (
    SELECT school_id, student_code, max(cause) AS cause, count(*) AS times
    FROM open GROUP BY school_id, student_code
), known AS (
    SELECT COALESCE(l.school_id, s.school_id) AS school_id,
           COALESCE(l.student_code, s.student_code) AS student_code,
           COALESCE(l.grade, s.grade) AS grade, COALESCE(l.class_name, s.class_name) AS class_name,
           l.school_id IS NOT NULL AS is_listed, s.school_id IS NOT NULL AS stands,
           s.is_completed, s.is_late
    FROM listed l FULL JOIN standing s
      ON s.school_id = l.school_id AND s.student_code = l.student_code
), pupil AS (
    SELECT COALESCE(k.school_id, f.school_id) AS school_id,
           COALESCE(k.student_code, f.student_code) AS student_code,
           COALESCE(k.grade, 0) AS grade, COALESCE(k.class_name, '') AS class_name,
           COALESCE(k.is_listed, false) AS is_listed, COALESCE(k.stands, false) AS stands,
           k.is_completed, k.is_late, f.cause, f.times
    FROM known k FULL JOIN refused f
      ON f.school_id = k.school_id AND f.student_code = k.student_code
)
"""

_COUNT: Final = """
SELECT school_id, grade, class_name,
    count(*) FILTER (WHERE is_listed) AS expected,
    count(*) FILTER (WHERE stands AND is_completed AND NOT is_late) AS confirmed_on_time,
    count(*) FILTER (WHERE stands AND NOT is_completed AND NOT is_late) AS unconfirmed_on_time,
    count(*) FILTER (WHERE stands AND is_completed AND is_late) AS confirmed_late,
    count(*) FILTER (WHERE stands AND NOT is_completed AND is_late) AS unconfirmed_late,
    count(*) FILTER (WHERE NOT stands AND cause = 3 AND student_code IS NOT NULL) AS held,
    count(*) FILTER (WHERE NOT stands AND cause = 2) AS recalled,
    count(*) FILTER (WHERE NOT stands AND cause = 1 AND student_code IS NOT NULL) AS rejected,
    count(*) FILTER (WHERE is_listed AND NOT stands AND cause IS NULL) AS not_sent,
    count(*) FILTER (WHERE stands AND NOT is_listed) AS unlisted,
    count(*) FILTER (WHERE stands AND NOT is_listed AND is_late) AS unlisted_late,
    COALESCE(sum(times) FILTER (WHERE student_code IS NULL), 0)::int AS unreadable
FROM pupil GROUP BY school_id, grade, class_name
"""


def bound(sql: str) -> TextClause:
    """Give a statement over the pupils with its parameters' types."""
    return text(sql).bindparams(
        bindparam("schools", type_=ARRAY(Integer)),
        bindparam("school_year", type_=Integer),
        bindparam("as_of", type_=DateTime(timezone=True)),
    )


COUNT_CLASSES: Final = bound(PUPILS + _COUNT)
_BATCH: Final = 500

Classes = Mapping[int, Sequence[ClassTally]]


async def count_as_of(
    connection: AsyncConnection, schools: Collection[int], school_year: int, as_of: datetime
) -> Classes:
    """Count the classes of schools as they stood at a moment, in order of grade and class."""
    found: dict[int, list[ClassTally]] = {school_id: [] for school_id in schools}
    wanted = sorted(found)
    for start in range(0, len(wanted), _BATCH):
        batch = wanted[start : start + _BATCH]
        moves = await _moves(connection, batch, school_year, as_of)
        parameters = {"schools": batch, "school_year": school_year, "as_of": as_of}
        for row in await connection.execute(COUNT_CLASSES, parameters):
            counted = {name: value for name, value in row._mapping.items() if name != "school_id"}  # noqa: SLF001 - SQLAlchemy's documented way to a mapping
            moved = moves.pop((row.school_id, row.grade, row.class_name), (0, 0))
            found[row.school_id].append(ClassTally(**counted, moved_in=moved[0], moved_out=moved[1]))
        for (school_id, grade, class_name), moved in moves.items():  # classes that everybody has left
            left = ClassTally(grade=grade, class_name=class_name, moved_in=moved[0], moved_out=moved[1])
            found[school_id].append(left)
    for classes in found.values():
        classes.sort(key=lambda tally: (tally.grade, tally.class_name))
    return found


async def _moves(
    connection: AsyncConnection, schools: Sequence[int], school_year: int, as_of: datetime
) -> dict[tuple[int, int, str], tuple[int, int]]:
    """Give how many came to and left each class, by the roll that counted at the moment."""
    latest = (
        select(enrolment_roll.c.school_id, func.max(enrolment_roll.c.number).label("number"))
        .where(
            enrolment_roll.c.school_id.in_(schools),
            enrolment_roll.c.school_year == school_year,
            enrolment_roll.c.made_at <= as_of,
        )
        .group_by(enrolment_roll.c.school_id)
        .subquery()
    )
    rows = await connection.execute(
        select(enrolment_class)
        .join(
            latest,
            and_(
                latest.c.school_id == enrolment_class.c.school_id,
                latest.c.number == enrolment_class.c.number,
            ),
        )
        .where(
            enrolment_class.c.school_year == school_year,
            or_(enrolment_class.c.moved_in > 0, enrolment_class.c.moved_out > 0),
        )
    )
    return {(row.school_id, row.grade, row.class_name): (row.moved_in, row.moved_out) for row in rows}


async def count_now(
    connection: AsyncConnection, schools: Collection[int], school_year: int, now: datetime
) -> Classes:
    """Count the classes of schools as they stand, counting anew only those where something has changed.

    The number of changes is read before what changed is counted: a change that comes between leaves the
    tally marked as older than it is, never as newer.
    """
    wanted = sorted(schools)
    rows = await connection.execute(
        select(
            school_change.c.school_id,
            school_change.c.changes,
            compliance_tally.c.at_changes,
            compliance_tally.c.counts,
        )
        .outerjoin(
            compliance_tally,
            and_(
                compliance_tally.c.school_id == school_change.c.school_id,
                compliance_tally.c.school_year == school_change.c.school_year,
            ),
        )
        .where(school_change.c.school_id.in_(wanted), school_change.c.school_year == school_year)
    )
    found: dict[int, Sequence[ClassTally]] = dict.fromkeys(wanted, ())
    old: dict[int, int] = {}
    for row in rows:
        if row.at_changes == row.changes:
            found[row.school_id] = _read(row.counts)
        else:
            old[row.school_id] = row.changes
    if old:
        counted = await count_as_of(connection, old, school_year, now)
        await _keep(connection, counted, old, school_year)
        found.update(counted)
    return found


async def _keep(
    connection: AsyncConnection, counted: Classes, changes: Mapping[int, int], school_year: int
) -> None:
    """Write tallies down, none over one that was counted after more changes."""
    statement = upsert(compliance_tally)
    statement = statement.on_conflict_do_update(
        index_elements=["school_id", "school_year"],
        set_={"at_changes": statement.excluded.at_changes, "counts": statement.excluded.counts},
        where=compliance_tally.c.at_changes <= statement.excluded.at_changes,
    )
    await connection.execute(
        statement,
        [
            {
                "school_id": school_id,
                "school_year": school_year,
                "at_changes": changes[school_id],
                "counts": [[getattr(tally, name) for name in TALLIED] for tally in classes],
            }
            for school_id, classes in sorted(counted.items())
        ],
    )


def _read(counts: Sequence[Sequence[Any]]) -> Sequence[ClassTally]:
    return [ClassTally(**dict(zip(TALLIED, row, strict=True))) for row in counts]
