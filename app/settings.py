"""Settings: read once, by the composition root and the command line, and handed on as values.

Each is an environment variable with the prefix ``HOCBA_`` (``HOCBA_DATABASE_URL``); docs/operations.md
lists them.
"""

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

MEBIBYTE = 1024 * 1024


class Settings(BaseSettings):
    """Everything an operator may set; the defaults start a complete service on one machine."""

    model_config = SettingsConfigDict(env_prefix="HOCBA_", frozen=True, extra="ignore")

    tier: Literal["province", "ministry"] = "province"
    data_dir: Path = Field(default=Path(".hocba"), description="database, keys and credentials")
    key_dir: Path | None = Field(default=None, description="signing keys; shared by all machines")
    database_url: SecretStr | None = Field(default=None, description="PostgreSQL 15 to 18; none: embedded")
    migration_url: SecretStr | None = Field(default=None, description="the schema owner's address")
    database_pool: int = Field(default=10, ge=2, le=200)
    pg_bin: Path | None = Field(default=None, description="folder of PostgreSQL programs to use instead")
    pg_user: str | None = Field(default=None, description="existing user to run PostgreSQL as, under root")

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    base_url: str | None = Field(default=None, description="the address clients use, if not host and port")

    token_minutes: int = Field(default=60, ge=1, description="life of a client's access token")
    session_minutes: int = Field(default=480, ge=1, description="life of an officer's access token")
    oidc_issuer: str | None = None
    oidc_audience: str | None = None

    max_body_bytes: int = Field(default=32 * MEBIBYTE, ge=1024)
    max_unpacked_bytes: int = Field(default=256 * MEBIBYTE, ge=1024)
    max_transcripts: int = Field(default=1000, ge=1)
    max_transcript_bytes: int = Field(default=MEBIBYTE, ge=1024)
    max_wait_seconds: int = Field(default=30, ge=0, description="longest Prefer: wait")

    worker_threads: int = Field(default=2, ge=1, le=64)
    worker_batch: int = Field(default=2, ge=1, le=64, description="packages claimed at once")
    lease_seconds: int = Field(default=20, ge=3, description="a dead worker's packages are free after this")

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = "json"

    @property
    def keys(self) -> Path:
        """Where the signing keys are."""
        return self.key_dir or self.data_dir / "keys"

    @property
    def address(self) -> str:
        """The address that clients are told."""
        return (self.base_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def lease(self) -> timedelta:
        """How long a worker holds a job without renewing it."""
        return timedelta(seconds=self.lease_seconds)
