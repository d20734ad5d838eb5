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

    tier: Literal["province", "ministry"] = Field(
        default="province", description="hệ thống của tỉnh hay của Bộ / whose instance this is"
    )
    data_dir: Path = Field(
        default=Path(".hocba"), description="CSDL nhúng, khóa, tệp mẫu / embedded database, keys, credentials"
    )
    key_dir: Path | None = Field(
        default=None,
        description="khóa ký, dùng chung cho mọi máy; mặc định: keys trong thư mục dữ liệu / signing keys, "
        "shared by all machines; default: keys in the data folder",
    )
    database_url: SecretStr | None = Field(
        default=None,
        description="PostgreSQL 15 đến 18; không đặt: CSDL nhúng / PostgreSQL 15 to 18; unset: embedded",
    )
    migration_url: SecretStr | None = Field(
        default=None,
        description="địa chỉ CSDL với vai trò chủ lược đồ / the database's address as the schema's owner",
    )
    database_pool: int = Field(
        default=10,
        ge=2,
        le=200,
        description="số kết nối giữ sẵn / connections kept; as many again under load",
    )
    pg_bin: Path | None = Field(
        default=None,
        description="thư mục chương trình PostgreSQL dùng thay / folder of the programs to use instead",
    )
    pg_user: str | None = Field(
        default=None,
        description="người dùng có sẵn để chạy CSDL nhúng khi là root / "
        "existing user to run the embedded database as, under root",
    )
    wal_archive: Path | None = Field(
        default=None,
        description="thư mục lưu WAL của CSDL nhúng, để khôi phục tới một thời điểm / where the embedded "
        "database archives its log, to restore any moment from",
    )

    host: str = Field(default="127.0.0.1", description="địa chỉ lắng nghe / address to listen on")
    port: int = Field(default=8000, ge=0, le=65535, description="cổng / port")
    base_url: str | None = Field(
        default=None, description="địa chỉ công khai, nếu khác / the address clients use, if another"
    )

    upstream_url: str | None = Field(
        default=None,
        description="địa chỉ hệ thống của Bộ, nơi bản chốt được chuyển lên; không đặt: không chuyển / "
        "the ministry's instance that snapshots are forwarded to; unset: none are",
    )
    upstream_client_id: str | None = Field(
        default=None, description="mã Bộ cấp cho hệ thống của Sở / the client id that the ministry gave"
    )
    upstream_client_secret: SecretStr | None = Field(
        default=None, description="mật khẩu đi kèm / and its secret"
    )
    upstream_automatic: bool = Field(
        default=True,
        description="tự chuyển bản chốt khi đã niêm phong / forward as soon as a snapshot is sealed",
    )
    upstream_transcripts: int = Field(
        default=100,
        ge=1,
        le=100,
        description="số học bạ gửi một lần; giảm khi đường truyền kém / transcripts sent at once; fewer on a "
        "poor line",
    )

    token_minutes: int = Field(
        default=60, ge=1, description="thời hạn thẻ của phần mềm / life of a client's access token"
    )
    session_minutes: int = Field(
        default=480, ge=1, description="thời hạn phiên của cán bộ / life of an officer's session"
    )
    oidc_issuer: str | None = Field(
        default=None, description="máy chủ OpenID Connect của cán bộ / officers' OpenID provider (its issuer)"
    )
    oidc_audience: str | None = Field(
        default=None, description="aud mà thẻ OIDC phải mang / the aud its tokens must carry"
    )

    max_body_bytes: int = Field(
        default=32 * MEBIBYTE, ge=1024, description="một yêu cầu, theo byte / one request's body"
    )
    max_unpacked_bytes: int = Field(
        default=256 * MEBIBYTE, ge=1024, description="một gói sau giải nén / one package, unpacked"
    )
    max_transcripts: int = Field(default=1000, ge=1, description="số học bạ một gói / transcripts a package")
    max_transcript_bytes: int = Field(default=MEBIBYTE, ge=1024, description="một học bạ / one transcript")
    max_wait_seconds: int = Field(
        default=30, ge=0, description="Prefer: wait dài nhất, giây / longest Prefer: wait"
    )

    max_request_bytes: int = Field(default=MEBIBYTE, ge=1024, description="body of any request but a package")
    max_head_bytes: int = Field(
        default=32 * 1024, ge=1024, description="address and headers of a request together"
    )
    body_seconds: float = Field(default=60, gt=0, description="a request's whole body must come within")
    head_seconds: float = Field(default=20, gt=0, description="a request's address and headers within")
    idle_seconds: int = Field(default=30, ge=1, description="a connection may rest between requests")
    max_bodies_bytes: int = Field(
        default=256 * MEBIBYTE, ge=1024, description="bodies of all requests under way in one process"
    )
    max_queue_bytes: int = Field(
        default=1024 * MEBIBYTE,
        ge=1024,
        description="gói chờ xử lý, theo byte; quá thì hẹn gửi lại / packages that wait; beyond, senders are "
        "told when to come back",
    )
    max_connections: int = Field(default=2000, ge=1, description="open connections of one process")
    max_requests: int = Field(default=500, ge=1, description="requests under way in one process")
    trusted_proxies: str = Field(
        default="", description="addresses whose X-Forwarded-For is believed, separated by commas"
    )
    api_processes: int = Field(
        default=1, ge=1, le=1000, description="processes that share the load, and the allowances"
    )
    rate_multiplier: float = Field(
        default=1, gt=0, le=1_000_000, description="scales all allowances for calls; failed sign-ins never"
    )

    crl_addresses: str = Field(
        default="",
        description="địa chỉ CRL tải thêm, cách nhau bằng dấu phẩy / CRLs to fetch besides those that "
        "certificates name, separated by commas",
    )
    ocsp: bool = Field(
        default=False, description="hỏi OCSP định kỳ / ask OCSP responders, off the judging path"
    )
    max_crl_bytes: int = Field(default=32 * MEBIBYTE, ge=1024, description="một CRL, theo byte / one CRL")
    revocation_seconds: float = Field(
        default=30, gt=0, description="tải một CRL hoặc OCSP trong / fetching one CRL or answer within"
    )
    revocation_private_addresses: bool = Field(
        default=False,
        description="cho phép tải từ mạng nội bộ / may CRLs and OCSP come from private networks",
    )

    worker_threads: int = Field(
        default=2, ge=1, le=64, description="luồng kiểm tra / threads that judge; one a core"
    )
    worker_batch: int = Field(
        default=3,
        ge=1,
        le=64,
        description="số gói nhận một lúc, một chỗ luôn dành cho gói nhỏ / packages at once, one place kept "
        "for small ones",
    )
    lease_seconds: int = Field(
        default=20,
        ge=3,
        description="gói của worker đã chết được giải phóng sau / freed after a worker's death",
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="mức nhật ký / least severe event that is logged"
    )
    log_format: Literal["json", "console"] = Field(
        default="json", description="dạng nhật ký / one JSON object a line, or for people"
    )

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
