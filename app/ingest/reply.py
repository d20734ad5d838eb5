"""Writing the answer down: items, findings, signed receipts, what happened, in the caller's transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import copy_rows, database_moment, move
from app.findings import Finding
from app.ingest.answers import record_receipts
from app.ingest.judgement import Origin, Outcome
from app.ingest.package import ItemState
from app.ingest.receipts import ReceiptKind, answer
from app.ingest.tables import finding, item, item_event, receipt
from app.keys import KeyRing
from app.records.changes import note_changes
from app.verify.verdict import Verdict


async def write_outcomes(
    connection: AsyncConnection,
    origin: Origin,
    outcomes: Sequence[Outcome],
    *,
    turn: int,
    signed: Mapping[int, str],
) -> None:
    """Write the answers of one round of judgement, with their receipts (``sign_answers``) by position.

    The first round inserts the items; a later one moves those that were held, and refuses (QH-020) where
    somebody else has moved one meanwhile.
    """
    if turn == 1:
        await copy_rows(connection, item, [_item_row(origin, outcome) for outcome in outcomes])
    else:
        for outcome in outcomes:
            if outcome.state is not ItemState.HELD:
                key = {**_key(origin), "position": outcome.position}
                await move(
                    connection, item, key, source=ItemState.HELD, target=outcome.state,
                    is_repeat=outcome.is_repeat,
                )  # fmt: skip
    at = await database_moment(connection)
    await copy_rows(connection, item_event, [_event_row(origin, outcome, turn, at) for outcome in outcomes])
    await write_findings(
        connection, origin, {outcome.position: outcome.findings for outcome in outcomes}, turn=turn
    )
    repeated = [outcome.record_id for outcome in outcomes if outcome.is_repeat and outcome.record_id]
    given = await record_receipts(
        connection, school_id=origin.school_id, school_year=origin.school_year, record_ids=repeated
    )
    receipts = [
        _receipt_row(origin, outcome, turn=turn, jws=_receipt(outcome, given, signed))
        for outcome in outcomes
        if outcome.state is not ItemState.HELD
    ]
    await copy_rows(connection, receipt, receipts)
    await note_changes(connection, [(origin.school_id, origin.school_year)])


async def write_findings(
    connection: AsyncConnection, origin: Origin, findings: Mapping[int, Sequence[Finding]], *, turn: int
) -> None:
    """Write findings by position; position 0 is the package as a whole."""
    rows = [
        {
            **_key(origin),
            "position": position,
            "round": turn,
            "sequence": sequence,
            "code": found.code,
            "severity": found.severity,
            "xpath": found.xpath,
            "line": found.line,
            "value": found.value,
            "facts": dict(found.facts),
        }
        for position, listed in findings.items()
        for sequence, found in enumerate(listed, start=1)
    ]
    await copy_rows(connection, finding, rows)


def _key(origin: Origin) -> dict[str, object]:
    return {
        "school_id": origin.school_id,
        "school_year": origin.school_year,
        "package_id": origin.package_id,
    }


def _item_row(origin: Origin, outcome: Outcome) -> Mapping[str, object]:
    return {
        **_key(origin),
        "position": outcome.position,
        "record_id": outcome.record_id,
        "content_sha256": outcome.content_sha256,
        "state": outcome.state,
        "is_repeat": outcome.is_repeat,
    }


def _event_row(origin: Origin, outcome: Outcome, turn: int, at: datetime) -> Mapping[str, object]:
    return {
        **_key(origin),
        "at": at,
        "position": outcome.position,
        "round": turn,
        "target": outcome.state,
        "student_code": outcome.student_code,
        "verdict": None if outcome.verdict is None else _verdict_row(outcome.verdict),
    }


def _verdict_row(verdict: Verdict) -> Mapping[str, object]:
    """Keep what was judged of each signature, refused ones too, without the names of persons."""
    return {
        "indication": verdict.indication,
        "policy": verdict.policy_version,
        "signers": [
            {
                "position": signer.position,
                "role": signer.role,
                "indication": signer.indication,
                "fingerprint": signer.fingerprint,
                "signed_at": signer.signing_time and signer.signing_time.isoformat(),
                "algorithm": signer.algorithm,
                "revocation": list(signer.evidence),
            }
            for signer in verdict.signers
        ],
    }


def sign_answers(
    outcomes: Sequence[Outcome], origin: Origin, *, keys: KeyRing, now: datetime
) -> Mapping[int, str]:
    """Sign the answer for every item that is settled, by position; heavy, so done off the event loop."""
    return {
        outcome.position: answer(
            keys,
            kind=_receipt_kind(outcome),
            package_id=origin.package_id,
            position=outcome.position,
            school_code=origin.school_code,
            record_id=outcome.record_id,
            content_sha256=outcome.content_sha256,
            xml_sha256=outcome.xml_sha256,
            received_at=origin.received_at,
            judged_at=now,
            codes=outcome.codes,
            is_late=outcome.is_late,
        )
        for outcome in outcomes
        if outcome.state is not ItemState.HELD
    }


def _receipt_kind(outcome: Outcome) -> ReceiptKind:
    return ReceiptKind.ACCEPTANCE if outcome.state is ItemState.ACCEPTED else ReceiptKind.REFUSAL


def _receipt(outcome: Outcome, given: Mapping[UUID, str], signed: Mapping[int, str]) -> str:
    """Give the receipt of one item; a repeat is given the one of the first time."""
    first = given.get(outcome.record_id) if outcome.is_repeat and outcome.record_id else None
    return first or signed[outcome.position]


def _receipt_row(origin: Origin, outcome: Outcome, *, turn: int, jws: str) -> Mapping[str, object]:
    return {
        **_key(origin),
        "position": outcome.position,
        "round": turn,
        "kind": _receipt_kind(outcome),
        "record_id": outcome.record_id,
        "jws": jws,
    }
