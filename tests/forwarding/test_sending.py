"""A province forwards, the ministry verifies: one process, two databases, the whole way."""

from sqlalchemy import select

from app.client.receipts import read_receipt
from app.db import transaction
from app.forwarding.life import ForwardingState
from app.forwarding.tables import arrival, forwarded_record
from tests.builders.tiers import Nation, count, seal_upstream


async def test_a_snapshot_is_forwarded_verified_and_acknowledged(nation: Nation) -> None:
    found = await seal_upstream(nation.world)
    held = await nation.forward()
    assert (held.state, held.last_error) == (ForwardingState.ACKNOWLEDGED, None)
    assert held.sent == found.size == await count(nation.service.engine, forwarded_record)
    async with transaction(nation.service.engine) as connection:
        row = (await connection.execute(select(arrival))).one()
    assert row.root == found.root
    assert held.answer is not None
    claims = read_receipt(held.answer, {"keys": list(nation.service.keys.public())}).claims
    assert (claims["root"], claims["size"], claims["disputes"]) == (found.root.hex(), found.size, 0)
    assert claims == held.claims
