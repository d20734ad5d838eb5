"""Whatever the identity number, a school's pupil has one standing record for a school year and level."""

import asyncio
from collections.abc import Mapping
from uuid import UUID, uuid4

from sqlalchemy import select

from app.db import transaction
from app.recalls.decisions import Action
from app.records import Clash, Entry, append, find_clashes, hold_places
from app.records.status import RecordEventKind
from app.records.tables import active_pupil_code
from tests.builders.ledger import RECEIVED_AT, entry, happened, put, standing
from tests.builders.province import OTHER_PRIMARY, PRIMARY
from tests.recalls.conftest import Ground
from tests.recalls.test_concurrency import accept, ask, hand_over, outcomes, settle

WRONG, RIGHT, LAST = "066215000001", "066215000002", "066215000003"
CODE = "HS001"


def sent(
    ground: Ground,
    pupil: str,
    *,
    code: str = CODE,
    replaces: Entry | None = None,
    school: str = PRIMARY,
    level: str = "02",
    position: int = 1,
) -> Entry:
    return entry(
        ground.province.ids[school], pupil=pupil, student_code=code, level=level, position=position,
        replaces=None if replaces is None else replaces.facts.record_id,
    )  # fmt: skip


async def recorded(ground: Ground, made: Entry) -> Entry:
    assert await put(ground.engine, made) is None
    return made


async def recalled(ground: Ground, made: Entry) -> Entry:
    await settle(ground, await ask(ground, made.facts.record_id), Action.APPROVE)
    return made


async def found(ground: Ground, *entries: Entry) -> Mapping[int, tuple[Clash, UUID]]:
    async with transaction(ground.engine) as connection:
        return await find_clashes(connection, entries)


async def stand(ground: Ground, *entries: Entry) -> None:
    """Hold the standing records, by identity number and by code, against the ones expected."""
    assert await standing(ground.engine) == {made.place: made.facts.record_id for made in entries}
    async with transaction(ground.engine) as connection:
        rows = (await connection.execute(select(active_pupil_code))).all()
    by_code = {(row.school_id, row.student_code, row.school_year, row.level): row.record_id for row in rows}
    assert by_code == {made.code_place: made.facts.record_id for made in entries}


async def record_package(ground: Ground, *entries: Entry) -> bool:
    """Record entries as one package, if their places can be held; by themselves they are fine."""
    async with ground.engine.connect() as connection:
        if not await hold_places(connection, entries):
            return False
        await append(connection, entries, now=RECEIVED_AT)
        await connection.commit()
        return True


async def test_a_pupil_sent_again_with_another_identity_number_has_a_record_already(ground: Ground) -> None:
    first = await recorded(ground, sent(ground, WRONG))
    assert await found(ground, sent(ground, RIGHT)) == {1: (Clash.PUPIL_HAS_RECORD, first.facts.record_id)}
    # Another school may give the same code, and the same pupil may have a record at another level.
    elsewhere = await recorded(ground, sent(ground, RIGHT, school=OTHER_PRIMARY))
    upper = await recorded(ground, sent(ground, LAST, level="03"))
    await stand(ground, first, elsewhere, upper)


async def test_a_pupil_first_sent_without_an_identity_number_has_a_record_already(ground: Ground) -> None:
    first = await recorded(ground, sent(ground, ""))
    assert first.pupil_key == f"code:{CODE}"
    assert await put(ground.engine, sent(ground, RIGHT)) is Clash.PUPIL_HAS_RECORD
    second = await recorded(ground, sent(ground, RIGHT, replaces=first))
    await stand(ground, second)


async def test_of_two_packages_in_flight_with_two_identity_numbers_one_is_recorded(ground: Ground) -> None:
    first, second = sent(ground, WRONG), sent(ground, RIGHT)
    assert not await found(ground, first)
    assert not await found(ground, second)
    async with transaction(ground.engine) as connection:
        assert await hold_places(connection, [first])
        waiting = asyncio.create_task(record_package(ground, second))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        await append(connection, [first], now=RECEIVED_AT)
    assert not await waiting
    assert await put(ground.engine, second) is Clash.PUPIL_HAS_RECORD
    await stand(ground, first)


async def test_of_many_packages_with_as_many_identity_numbers_one_is_recorded(ground: Ground) -> None:
    made = [sent(ground, f"06621500000{number}") for number in range(6)]
    result = await outcomes(*(put(ground.engine, one) for one in made))
    assert result == {"done": 1, Clash.PUPIL_HAS_RECORD: 5}
    assert len(await standing(ground.engine)) == 1


async def test_packages_that_cross_do_not_wait_for_each_other_in_a_circle(ground: Ground) -> None:
    """By identity number one has the first place first, by code the other."""
    for year in range(8):
        codes = [f"HS{year}{n}" for n in range(2)]
        pupils = [f"0662{year}500000{n}" for n in range(4)]
        one = [sent(ground, pupil, code=code) for pupil, code in zip(pupils[:2], codes, strict=True)]
        other = [sent(ground, pupil, code=code) for pupil, code in zip(pupils[2:], codes[::-1], strict=True)]
        done = await asyncio.gather(record_package(ground, *one), record_package(ground, *other[::-1]))
        assert sorted(done) == [False, True]


async def test_a_replacement_before_the_lock_corrects_the_identity_number(ground: Ground) -> None:
    first = await recorded(ground, sent(ground, WRONG))
    second = await recorded(ground, sent(ground, RIGHT, replaces=first))
    await stand(ground, second)
    third = await recorded(ground, sent(ground, LAST, replaces=second))
    await stand(ground, third)
    assert await put(ground.engine, sent(ground, WRONG, replaces=first)) is Clash.REPLACED_NOT_STANDING
    assert set(await happened(ground.engine, second.facts.record_id)) == {
        RecordEventKind.RECORDED,
        RecordEventKind.REPLACED,
    }
    # The numbers that it has no longer are free for whom they belong to.
    others = [await recorded(ground, sent(ground, p, code=f"HS{p}")) for p in (WRONG, RIGHT)]
    await stand(ground, third, *others)


async def test_a_replacement_corrects_the_pupil_code(ground: Ground) -> None:
    first = await recorded(ground, sent(ground, RIGHT))
    second = await recorded(ground, sent(ground, RIGHT, code="HS002", replaces=first))
    await stand(ground, second)
    other = await recorded(ground, sent(ground, WRONG, code=CODE))
    taken = sent(ground, RIGHT, code=CODE, replaces=second)
    assert await found(ground, taken) == {1: (Clash.PUPIL_HAS_RECORD, other.facts.record_id)}
    # Of whom neither the number nor the code is the same, it is not known to be the same pupil.
    stranger = sent(ground, LAST, code="HS003", replaces=second)
    assert await put(ground.engine, stranger) is Clash.REPLACED_NOT_STANDING
    await stand(ground, second, other)


async def test_another_pupils_number_is_not_taken_by_a_correction(ground: Ground) -> None:
    first = await recorded(ground, sent(ground, WRONG))
    here = await recorded(ground, sent(ground, RIGHT, code="HS002"))
    there = await recorded(ground, sent(ground, LAST, school=OTHER_PRIMARY))
    assert await found(
        ground, sent(ground, RIGHT, replaces=first), sent(ground, LAST, replaces=first, position=2)
    ) == {
        1: (Clash.PUPIL_HAS_RECORD, here.facts.record_id),
        2: (Clash.PUPIL_HAS_RECORD_ELSEWHERE, there.facts.record_id),
    }
    await stand(ground, first, here, there)


async def test_a_number_taken_while_a_correction_is_judged_leaves_the_old_record_standing(
    ground: Ground,
) -> None:
    first = await recorded(ground, sent(ground, WRONG))
    correction = sent(ground, RIGHT, replaces=first)
    assert not await found(ground, correction)
    other = await recorded(ground, sent(ground, RIGHT, code="HS002"))
    assert not await record_package(ground, correction)
    assert await put(ground.engine, correction) is Clash.PUPIL_HAS_RECORD
    await stand(ground, first, other)


async def test_within_a_package_the_number_that_a_correction_leaves_is_not_free_yet(ground: Ground) -> None:
    first = await recorded(ground, sent(ground, WRONG))
    correction = sent(ground, RIGHT, replaces=first)
    other = sent(ground, WRONG, code="HS002", position=2)
    assert await found(ground, correction, other) == {2: (Clash.PUPIL_HAS_RECORD, first.facts.record_id)}
    assert await record_package(ground, correction)
    assert await put(ground.engine, other) is None
    await stand(ground, correction, other)


async def test_a_package_replaces_a_record_once(ground: Ground) -> None:
    first = await recorded(ground, sent(ground, WRONG))
    one = sent(ground, RIGHT, replaces=first)
    other = sent(ground, WRONG, code="HS002", replaces=first, position=2)
    assert await found(ground, one, other) == {2: (Clash.REPLACED_NOT_STANDING, first.facts.record_id)}


async def test_of_many_corrections_of_one_record_one_is_recorded(ground: Ground) -> None:
    first = await recorded(ground, sent(ground, WRONG))
    numbers = [f"06621500010{number}" for number in range(4)]
    result = await outcomes(*(put(ground.engine, sent(ground, n, replaces=first)) for n in [*numbers, WRONG]))
    assert result == {"done": 1, Clash.REPLACED_NOT_STANDING: 4}
    assert (await happened(ground.engine, first.facts.record_id)).count(RecordEventKind.REPLACED) == 1
    assert len(await standing(ground.engine)) == 1


async def test_what_was_recalled_is_followed_once_however_its_followers_differ(ground: Ground) -> None:
    for year in range(6):
        wrong, right = f"0662{year}5000001", f"0662{year}5000002"
        old = await recalled(ground, await recorded(ground, sent(ground, wrong, code=f"HS{year}")))
        result = await outcomes(
            put(ground.engine, sent(ground, right, code=f"HS{year}", replaces=old)),
            put(ground.engine, sent(ground, wrong, code=f"HS{year}+", replaces=old)),
        )
        assert result == {"done": 1, Clash.REPLACED_NOT_STANDING: 1}


async def test_a_recall_gives_up_the_code_too(ground: Ground) -> None:
    old = await recalled(ground, await recorded(ground, sent(ground, WRONG)))
    await stand(ground)
    new = await recorded(ground, sent(ground, RIGHT, replaces=old))
    await stand(ground, new)
    assert await put(ground.engine, sent(ground, WRONG)) is Clash.PUPIL_HAS_RECORD


async def test_a_record_that_was_handed_over_keeps_the_code_at_its_issuer(ground: Ground) -> None:
    old = await recorded(ground, sent(ground, WRONG))
    await accept(ground, await hand_over(ground, old.facts.record_id))
    await stand(ground, old)
    again = sent(ground, RIGHT)
    assert await found(ground, again) == {1: (Clash.PUPIL_HAS_RECORD_ELSEWHERE, old.facts.record_id)}
    assert await put(ground.engine, sent(ground, RIGHT, replaces=old)) is Clash.REPLACED_NOT_STANDING
    # The code tells who it is at its issuer alone: the manager's HS001 may be somebody else.
    correction = sent(ground, RIGHT, school=OTHER_PRIMARY, replaces=old)
    assert await put(ground.engine, correction) is Clash.REPLACED_NOT_STANDING
    new = await recorded(ground, sent(ground, WRONG, school=OTHER_PRIMARY, replaces=old))
    await stand(ground, new)
    last = await recorded(ground, sent(ground, RIGHT, school=OTHER_PRIMARY, replaces=new))
    await stand(ground, last)


async def test_nothing_is_replaced_that_is_not_there(ground: Ground) -> None:
    made = entry(ground.province.ids[PRIMARY], pupil=RIGHT, student_code=CODE, replaces=uuid4())
    assert await put(ground.engine, made) is Clash.REPLACED_NOT_STANDING
    assert not await record_package(ground, made)
