"""A province forwards, the ministry verifies: one process, two databases, the whole way."""

import asyncio
import json
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner, Result

from app.cli import app as cli
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


async def test_the_operator_sees_it_on_the_machine_and_the_receipt_verifies_offline(
    nation: Nation, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await seal_upstream(nation.world)
    held = await nation.forward()
    monkeypatch.setenv("HOCBA_DATABASE_URL", database_url)
    monkeypatch.setenv("HOCBA_DATA_DIR", str(tmp_path))

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(cli, list(arguments))

    listed = await asyncio.to_thread(run, "admin", "forwardings", "list", "--json")
    (row,) = json.loads(listed.stdout)
    assert (row["status"], row["sent"], row["disputes"]) == ("acknowledged", found.size, 0)
    assert found.id.hex in (await asyncio.to_thread(run, "admin", "forwardings", "list")).stdout
    (tmp_path / "receipt.jws").write_text(str(held.answer), "ascii")
    jwks = tmp_path / "jwks.json"
    jwks.write_text(json.dumps({"keys": list(nation.service.keys.public())}), "utf-8")
    verified = run("verify-receipt", str(tmp_path / "receipt.jws"), "--jwks", str(jwks), "--json")
    assert verified.exit_code == 0, verified.output
    assert found.root.hex() in verified.stdout
    stranger = tmp_path / "so.json"
    stranger.write_text(json.dumps({"keys": list(nation.world.service.keys.public())}), "utf-8")
    assert run("verify-receipt", str(tmp_path / "receipt.jws"), "--jwks", str(stranger)).exit_code != 0
