"""Signing keys: made once, readable by nobody else, rotated without losing what was signed before."""

import fcntl
import json
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from joserfc import jws
from joserfc.errors import BadSignatureError
from joserfc.jwk import ECKey
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import open_engine, transaction
from app.keys import ALGORITHM, add_key, open_key_ring, publish, published

NOW = datetime(2026, 6, 30, 2, 0, tzinfo=UTC)
CLAIMS = {"iss": "hocba", "kind": "acceptance"}
LATER = NOW + timedelta(days=365)


@pytest_asyncio.fixture(loop_scope="session")
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(database_url, pool_size=2)
    yield engine
    await engine.dispose()


def test_the_first_start_makes_one_key_and_the_next_finds_it(tmp_path: Path) -> None:
    first = open_key_ring(tmp_path / "keys", NOW)
    again = open_key_ring(tmp_path / "keys", LATER)
    assert len(first.keys) == 1
    assert first.active.kid == again.active.kid
    assert str(first.active.kid).startswith("20260630T020000Z-")


def test_of_two_first_starts_one_makes_the_key_and_both_have_it(tmp_path: Path) -> None:
    """Two keys would mean two services: the tokens of one are nothing to the other."""
    with ThreadPoolExecutor() as threads:
        with (tmp_path / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            other = threads.submit(open_key_ring, tmp_path, LATER)
            wait([other], timeout=0.5)
            kid = add_key(tmp_path, NOW)
        assert [key.kid for key in other.result().keys] == [kid]


def test_only_the_service_reads_its_keys(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "keys"
    open_key_ring(folder, NOW)
    (file,) = folder.glob("*.pem")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_key_is_never_written_over(tmp_path: Path) -> None:
    made = {add_key(tmp_path, NOW) for _ in range(5)}
    assert {path.stem for path in tmp_path.iterdir()} == made
    assert len(made) == 5


def test_the_newest_key_signs_and_the_old_one_still_verifies(tmp_path: Path) -> None:
    before = open_key_ring(tmp_path, NOW).sign(b"{}", kind="t")
    kid = add_key(tmp_path, LATER)
    ring = open_key_ring(tmp_path, LATER)
    after = ring.sign(b"{}", kind="t")
    assert ring.active.kid == kid
    for token in (before, after):
        header = jws.extract_compact(token.encode()).headers()
        key = ring.find(header["kid"])
        assert key is not None
        assert jws.deserialize_compact(token, key, algorithms=[ALGORITHM]).payload == b"{}"
    assert jws.extract_compact(after.encode()).headers() == {"alg": "ES256", "kid": kid, "typ": "t"}


def test_another_services_key_does_not_verify(tmp_path: Path) -> None:
    token = open_key_ring(tmp_path / "a", NOW).sign(b"{}", kind="t")
    other = open_key_ring(tmp_path / "b", NOW).active
    with pytest.raises(BadSignatureError):
        jws.deserialize_compact(token, other, algorithms=[ALGORITHM])


def test_an_unknown_key_id_is_not_found(tmp_path: Path) -> None:
    ring = open_key_ring(tmp_path, NOW)
    assert ring.find("another") is None
    assert ring.find(None) is None


def test_nothing_private_is_public(tmp_path: Path) -> None:
    ring = open_key_ring(tmp_path, NOW)
    (key,) = ring.public()
    assert set(key) >= {"kty", "crv", "x", "y", "kid", "use", "alg"}
    assert "d" not in key


async def test_what_was_signed_with_a_lost_key_still_verifies(tmp_path: Path, engine: AsyncEngine) -> None:
    """Public halves are rows: a receipt of years ago verifies after its private key is gone."""
    old = open_key_ring(tmp_path, NOW)
    receipt = old.sign(json.dumps(CLAIMS).encode(), kind="hocba-receipt")
    async with transaction(engine) as connection:
        await publish(connection, old)
    (tmp_path / f"{old.active.kid}.pem").unlink()
    new = open_key_ring(tmp_path, LATER)
    async with transaction(engine) as connection:
        await publish(connection, new)
        await publish(connection, new)
        known = await published(connection)
    assert [key["kid"] for key in known] == [old.active.kid, new.active.kid]
    signer = ECKey.import_key({name: str(known[0][name]) for name in ("kty", "crv", "x", "y")})
    assert json.loads(jws.deserialize_compact(receipt, signer, algorithms=[ALGORITHM]).payload) == CLAIMS
