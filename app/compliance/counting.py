"""Counting the roll against the ledger, school by school and for any moment; what was counted is kept."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import ARRAY, DateTime, Integer, TextClause, and_, bindparam, func, or_, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.compliance.causes import ClassTally
from app.compliance.tables import compliance_tally
from app.db import among, database_now
from app.enrolment.tables import enrolment_class, enrolment_roll
from app.records.changes import school_change

# The pupils of one school (``of.school_id``) in a year, each once, as they stood at a moment: :school_year,
# :as_of. What was received until then counts as it was judged, even if that was later; refusals and recalls
# count from when they were made. Written as SQL because every step has an index of its own to be read in, and
# of one school, so that a question about all of them sorts and joins a few hundred pupils at a time.
PUPILS: Final = """
WITH roll AS (
    SELECT max(number) AS number
    FROM enrolment_roll
    WHERE school_id = of.school_id AND school_year = :school_year AND made_at <= :as_of
), listed AS (
    SELECT p.student_code, p.grade, p.class_name
    FROM enrolment_pupil p
    WHERE p.school_id = of.school_id AND p.school_year = :school_year
      AND p.number = (SELECT number FROM roll) AND p.movement <> 'moved_out'
), ended AS (
    SELECT record_id, bool_or(kind = 'recalled') AS is_recalled
    FROM record_event
    WHERE school_id = of.school_id AND school_year = :school_year
      AND kind IN ('recalled', 'replaced') AND at <= :as_of
    GROUP BY record_id
), standing AS (
    SELECT DISTINCT ON (r.student_code) r.student_code, r.grade, r.class_name, r.is_completed, r.is_late
    FROM record r
    WHERE r.school_id = of.school_id AND r.school_year = :school_year AND r.received_at <= :as_of
      AND NOT EXISTS (SELECT 1 FROM ended e WHERE e.record_id = r.record_id)
    ORDER BY r.student_code DESC, r.received_at DESC  -- the index, read backwards
), open AS (
    SELECT e.student_code, CASE e.target WHEN 'held' THEN 3 ELSE 1 END AS cause
    FROM item_event e
    WHERE e.school_id = of.school_id AND e.school_year = :school_year
      AND e.target <> 'accepted' AND e.at <= :as_of
      AND (e.target <> 'held' OR NOT EXISTS (
          SELECT 1 FROM item_event later
          WHERE later.school_id = of.school_id AND later.school_year = :school_year
            AND later.package_id = e.package_id AND later.position = e.position
            AND later.round > 1 AND later.round > e.round AND later.at <= :as_of))
    UNION ALL
    SELECT r.student_code, 2
    FROM ended e JOIN record r USING (record_id)
    WHERE e.is_recalled AND r.school_id = of.school_id AND r.school_year = :school_year
), refused AS (
    SELECT student_code, max(cause) AS cause, count(*) AS times
    FROM open GROUP BY student_code
), known AS (
    SELECT COALESCE(l.student_code, s.student_code) AS student_code,
           COALESCE(l.grade, s.grade) AS grade, COALESCE(l.class_name, s.class_name) AS class_name,
           l.student_code IS NOT NULL AS is_listed, s.student_code IS NOT NULL AS stands,
           s.is_completed, s.is_late
    FROM listed l FULL JOIN standing s ON s.student_code = l.student_code
), pupil AS (
    SELECT COALESCE(k.student_code, f.student_code) AS student_code,
           COALESCE(k.grade, 0) AS grade, COALESCE(k.class_name, '') AS class_name,
           COALESCE(k.is_listed, false) AS is_listed, COALESCE(k.stands, false) AS stands,
           k.is_completed, k.is_late, f.cause, f.times
    FROM known k FULL JOIN refused f ON f.student_code = k.student_code
)
"""

# In the order of a class's tally; who moved is told by the roll's own classes.
_COUNT: Final = """
SELECT grade, class_name,
    count(*) FILTER (WHERE is_listed) AS expected,
    0 AS moved_in,
    0 AS moved_out,
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
FROM pupil GROUP BY grade, class_name
"""


def of_each_school(question: str) -> str:
    """Give a question about the pupils of one school as one about each of :schools."""
    return (
        "SELECT of.school_id, answer.* FROM unnest(:schools) AS of (school_id) "  # noqa: S608 - SQL of ours
        f"CROSS JOIN LATERAL ({PUPILS}{question}) AS answer"
    )


def bound(sql: str) -> TextClause:
    """Give a statement about schools with its parameters' types."""
    return text(sql).bindparams(
        bindparam("schools", type_=ARRAY(Integer)),
        bindparam("school_year", type_=Integer),
        bindparam("as_of", type_=DateTime(timezone=True)),
    )


COUNT_CLASSES: Final = bound(of_each_school(_COUNT))
_BATCH: Final = 500
_EVERYTHING: Final = datetime.max.replace(tzinfo=UTC)

Classes = Mapping[int, Sequence[ClassTally]]


async def count_anew(
    connection: AsyncConnection, schools: Collection[int], school_year: int, as_of: datetime
) -> Classes:
    """Count the classes of schools from the ground up, as they stood at a moment, by grade and class."""
    found: dict[int, list[ClassTally]] = {school_id: [] for school_id in schools}
    wanted = sorted(found)
    for start in range(0, len(wanted), _BATCH):
        batch = wanted[start : start + _BATCH]
        moves = await _moves(connection, batch, school_year, as_of)
        parameters = {"schools": batch, "school_year": school_year, "as_of": as_of}
        for school_id, *counted in await connection.execute(COUNT_CLASSES, parameters):
            tally = ClassTally(*counted)
            came, left = moves.pop((school_id, tally.grade, tally.class_name), (0, 0))
            found[school_id].append(tally._replace(moved_in=came, moved_out=left) if came or left else tally)
        for (school_id, grade, class_name), (came, left) in moves.items():  # classes that everybody has left
            found[school_id].append(ClassTally(grade, class_name, moved_in=came, moved_out=left))
    for classes in found.values():
        classes.sort()
    return found


async def _moves(
    connection: AsyncConnection, schools: Sequence[int], school_year: int, as_of: datetime
) -> dict[tuple[int, int, str], tuple[int, int]]:
    """Give how many came to and left each class, by the roll that counted at the moment."""
    latest = (
        select(enrolment_roll.c.school_id, func.max(enrolment_roll.c.number).label("number"))
        .where(
            among(enrolment_roll.c.school_id, schools),
            enrolment_roll.c.school_year == school_year,
            enrolment_roll.c.made_at <= as_of,
        )
        .group_by(enrolment_roll.c.school_id)
        .subquery()
    )
    is_latest = and_(
        latest.c.school_id == enrolment_class.c.school_id, latest.c.number == enrolment_class.c.number
    )
    rows = await connection.execute(
        select(enrolment_class)
        .join(latest, is_latest)
        .where(
            enrolment_class.c.school_year == school_year,
            or_(enrolment_class.c.moved_in > 0, enrolment_class.c.moved_out > 0),
        )
    )
    return {(row.school_id, row.grade, row.class_name): (row.moved_in, row.moved_out) for row in rows}


async def count(
    connection: AsyncConnection, schools: Collection[int], school_year: int, as_of: datetime | None
) -> tuple[datetime, Classes]:
    """Count the classes of schools as they stood at a moment (none: now), by kept tallies where these hold.

    Gives the moment, too. A tally holds from a school's last change on; of an earlier moment the school is
    counted from the ground up. The number of changes is read before what changed is counted, and everything
    that is there then is counted, however short a time ago it came: a change that comes between leaves the
    tally marked as older than it is, never as newer.
    """
    wanted = sorted(schools)
    rows = await connection.execute(
        select(
            school_change.c.school_id,
            school_change.c.changes,
            school_change.c.changed_at,
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
        .where(among(school_change.c.school_id, wanted), school_change.c.school_year == school_year)
    )
    now: datetime = (await connection.execute(select(database_now()))).scalar_one()
    found: dict[int, Sequence[ClassTally]] = dict.fromkeys(wanted, ())
    old: dict[int, int] = {}
    past: list[int] = []
    for row in rows:
        if as_of is not None and row.changed_at > as_of:
            past.append(row.school_id)
        elif row.at_changes == row.changes:
            found[row.school_id] = [ClassTally(*counts) for counts in row.counts]
        else:
            old[row.school_id] = row.changes
    if old:
        counted = await count_anew(connection, old, school_year, _EVERYTHING)
        await _keep(connection, counted, old, school_year)
        found.update(counted)
    found.update(await count_anew(connection, past, school_year, as_of or now))
    return as_of or now, found


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
                "counts": classes,
            }
            for school_id, classes in sorted(counted.items())
        ],
    )
