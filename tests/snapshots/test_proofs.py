"""Proofs drawn from sealed snapshots, held by the offline verifier; and what has changed since."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.actors import System
from app.api.snapshot_bodies import ProofOut
from app.client.errors import ProofError
from app.client.snapshots import check_proof
from app.db import transaction
from app.records.custody import managed_records
from app.records.recalling import recall_records
from app.snapshots.difference import Change, difference
from app.snapshots.proofs import prove
from app.snapshots.reading import snapshots_containing
from app.snapshots.sealing import seal_due
from tests.builders.sealing import SCHOOL_CUT_OFF, SECOND, Ledger

LOWEST, HIGHEST = UUID(int=0), UUID(int=(1 << 128) - 1)


def between(record_id: UUID) -> UUID:
    """The code next to one, which nobody has."""
    return UUID(int=record_id.int + 1)


async def seal_with(ledger: Ledger, size: int) -> list[UUID]:
    """Seal a snapshot of so many records; gives their codes in order."""
    await ledger.answered_package()
    made = [ledger.entry(position=at + 1) for at in range(size)]
    if made:
        await ledger.record(*made)
    ledger.clock.now = SCHOOL_CUT_OFF
    await seal_due(ledger.sealer)
    return sorted(entry.facts.record_id for entry in made)


async def proof(ledger: Ledger, record_id: UUID) -> dict[str, Any]:
    view = await ledger.view()
    async with transaction(ledger.engine) as connection:
        return ProofOut.of(await prove(connection, view, record_id), view).model_dump(mode="json")


def verify(ledger: Ledger, shown: dict[str, Any]) -> tuple[str, Sequence[int]]:
    stated = check_proof(shown, {"keys": ledger.sealer.keys.public()})
    assert stated.token == shown["statement"]
    return shown["kind"], [line["index"] for line in shown["lines"]]


async def test_first_last_and_middle_are_proven_in_and_what_is_beside_them_out(ledger: Ledger) -> None:
    codes = await seal_with(ledger, 300)
    for index in (0, 1, 255, 256, 298, 299):
        assert verify(ledger, await proof(ledger, codes[index])) == ("inclusion", [index])
    assert verify(ledger, await proof(ledger, LOWEST)) == ("absence", [0])
    assert verify(ledger, await proof(ledger, between(codes[149]))) == ("absence", [149, 150])
    assert verify(ledger, await proof(ledger, HIGHEST)) == ("absence", [299])


async def test_an_only_record_proves_itself_and_both_sides(ledger: Ledger) -> None:
    (code,) = await seal_with(ledger, 1)
    assert verify(ledger, await proof(ledger, code)) == ("inclusion", [0])
    assert verify(ledger, await proof(ledger, LOWEST)) == ("absence", [0])
    assert verify(ledger, await proof(ledger, HIGHEST)) == ("absence", [0])


async def test_an_empty_snapshot_proves_that_nothing_is_in_it(ledger: Ledger) -> None:
    await seal_with(ledger, 0)
    assert verify(ledger, await proof(ledger, LOWEST)) == ("absence", [])


async def test_a_proof_that_was_bent_does_not_hold(ledger: Ledger) -> None:
    codes = await seal_with(ledger, 20)
    absence = await proof(ledger, between(codes[4]))
    inclusion = await proof(ledger, codes[7])
    gap = [absence["lines"][0], (await proof(ledger, codes[6]))["lines"][0]]
    bent = [
        inclusion | {"record_id": codes[8].hex},
        inclusion | {"kind": "absence"},
        inclusion | {"lines": []},
        inclusion | {"kind": "other"},
        inclusion | {"statement": inclusion["statement"][:-4] + "AAAA"},
        inclusion | {"lines": [inclusion["lines"][0] | {"index": 8}]},
        inclusion | {"lines": [inclusion["lines"][0] | {"line": inclusion["lines"][0]["line"] + " "}]},
        absence | {"kind": "inclusion"},
        absence | {"lines": absence["lines"][:1]},
        absence | {"lines": absence["lines"][1:]},
        absence | {"lines": []},
        absence | {"record_id": codes[4].hex},
        absence | {"record_id": between(codes[5]).hex, "lines": gap},
        absence | {"record_id": LOWEST.hex},
        {"kind": "absence"},
    ]
    for shown in bent:
        with pytest.raises(ProofError):
            verify(ledger, shown)


async def test_the_difference_names_what_came_and_what_ended_since(ledger: Ledger) -> None:
    stays, goes = await seal_with(ledger, 2)
    ledger.clock.now += SECOND
    late = ledger.entry(is_late=True)
    settled = ledger.entry(received_at=SCHOOL_CUT_OFF - timedelta(days=1), position=2)
    unconfirmed = ledger.entry(is_completed=False, position=3)
    await ledger.record(late, settled, unconfirmed)
    async with transaction(ledger.engine) as connection:
        held = await managed_records(connection, [goes])
        await recall_records(
            connection, list(held.values()), facts={goes: {}}, at=ledger.clock(), actor=System()
        )
    view = await ledger.view()
    async with transaction(ledger.engine) as connection:
        whole = await difference(connection, view, after=None, limit=10)
        first = await difference(connection, view, after=None, limit=1)
        rest = await difference(connection, view, after=first.records[0].record_id, limit=10)
        assert set(await snapshots_containing(connection, [stays, late.facts.record_id])) == {stays}
    assert whole.counts == {Change.ADDED: 2, Change.RECALLED: 1, Change.REPLACED: 0}
    assert {held.record_id: held.change for held in whole.records} == {
        late.facts.record_id: Change.ADDED,
        settled.facts.record_id: Change.ADDED,
        goes: Change.RECALLED,
    }
    assert [*first.records, *rest.records] == list(whole.records)
