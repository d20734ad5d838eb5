"""The service's own signing keys (ES256): for receipts, tokens and snapshots; with ids, rotation and a JWKS.

Private keys are files that only the service can read, one a key, in a folder that all machines of one
service share. Public keys are also rows, kept for ever, so that whatever was once signed can be verified
after its private key is gone.
"""

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jws
from joserfc.jwk import ECKey
from sqlalchemy import Column, DateTime, Table, Text, func, select
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import metadata

ALGORITHM: Final = "ES256"

service_key = Table(
    "service_key",
    metadata,
    Column("kid", Text, primary_key=True),
    Column("public_jwk", JSONB, nullable=False),
    Column("added_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys this process holds; the newest signs, all of them verify."""

    keys: tuple[ECKey, ...]

    @property
    def active(self) -> ECKey:
        """The key that signs."""
        return self.keys[-1]

    def sign(self, payload: bytes, *, kind: str) -> str:
        """Give a compact JWS (RFC 7515) over the payload; ``kind`` becomes its ``typ`` header."""
        header = {"alg": ALGORITHM, "kid": self.active.kid, "typ": kind}
        return jws.serialize_compact(header, payload, self.active, algorithms=[ALGORITHM])

    def find(self, kid: str | None) -> ECKey | None:
        """Give the key of that id, if this process holds it."""
        return next((key for key in self.keys if key.kid == kid), None)

    def public(self) -> Sequence[Mapping[str, object]]:
        """Give the public halves as JWKs (RFC 7517)."""
        return [
            {**key.as_dict(private=False), "kid": key.kid, "use": "sig", "alg": ALGORITHM}
            for key in self.keys
        ]


def open_key_ring(folder: Path, now: datetime) -> KeyRing:
    """Read the keys of a folder, oldest first; the first start makes the folder and one key.

    File names begin with the moment of making (UTC), so that their order is the keys' order. Of several
    processes that start at once, one makes the key and the others find it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not any(folder.glob("*.pem")):
        with _alone(folder):
            if not any(folder.glob("*.pem")):
                add_key(folder, now)
    return KeyRing(keys=tuple(_read(path) for path in sorted(folder.glob("*.pem"))))


def add_key(folder: Path, now: datetime) -> str:
    """Make a new key, which signs from the next start on; gives its id."""
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    kid = f"{now:%Y%m%dT%H%M%SZ}-{ECKey.import_key(pem).thumbprint()[:8]}"
    # Written under another name first: whoever reads the folder meanwhile finds whole keys only.
    unfinished = folder / f"{kid}.unfinished"
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(folder / f"{kid}.pem")
    return kid


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process at a time, on all machines that share the folder, make its first key."""
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _read(path: Path) -> ECKey:
    return ECKey.import_key(path.read_bytes(), {"kid": path.stem})


async def publish(connection: AsyncConnection, ring: KeyRing) -> None:
    """Store the public halves, so that they outlive the private ones."""
    rows = [{"kid": key["kid"], "public_jwk": dict(key)} for key in ring.public()]
    await connection.execute(insert(service_key).values(rows).on_conflict_do_nothing())


async def published(connection: AsyncConnection) -> Sequence[Mapping[str, object]]:
    """Give every public key this service has ever signed with, oldest first."""
    rows = await connection.execute(select(service_key.c.public_jwk).order_by(service_key.c.kid))
    return [dict(row.public_jwk) for row in rows]
