"""Commands that talk to the service: validate, send, follow, register a certificate."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from app.cli.answers import exit_code_of, keep_receipts, show_answer
from app.cli.terminal import ExitCode, Json, failures_told, progress_console, say, show_json
from app.client.api import ANSWERED, HocBaClient, Sent
from app.client.errors import SenderError
from app.client.keys import load_certificate, load_private_key
from app.client.packaging import Package, open_package
from app.client.signing import Role

T = TypeVar("T")

commands = typer.Typer()

BaseUrl = Annotated[str | None, typer.Option(envvar="HOCBA_BASE_URL", help="Địa chỉ dịch vụ / the service")]
ClientId = Annotated[str | None, typer.Option(envvar="HOCBA_CLIENT_ID", help="Mã phần mềm / client id")]
ClientSecret = Annotated[
    str | None,
    typer.Option(
        envvar="HOCBA_CLIENT_SECRET", help="Nên đặt trong biến môi trường / better kept in the environment"
    ),
]
Credentials = Annotated[
    Path | None, typer.Option(envvar="HOCBA_CREDENTIALS", help="credentials.json của tỉnh mẫu / of the demo")
]
ReceiptFolder = Annotated[
    Path | None, typer.Option("--receipts", help="Thư mục lưu biên nhận / where to keep the receipts")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Where the service is and as whom to speak to it."""

    base_url: str
    client_id: str
    client_secret: str = field(repr=False)


def connection(
    *,
    base_url: str | None,
    client_id: str | None,
    client_secret: str | None,
    credentials: Path | None,
    school_code: str | None = None,
) -> Connection:
    """Settle the connection from options and environment, else from a credentials file.

    Of the file's clients the one that acts for the school is taken, else the first.

    Raises:
        SenderError: something is missing, or the file is none.
    """
    found: dict[str, Any] = {}
    if credentials is not None:
        found = _client_of(credentials, school_code)
    settled = {
        "--base-url": base_url or found.get("base_url"),
        "--client-id": client_id or found.get("client_id"),
        "--client-secret": client_secret or found.get("client_secret"),
    }
    missing = ", ".join(name for name, value in settled.items() if not value)
    if missing:
        raise SenderError(
            f"Thiếu {missing} (hoặc biến môi trường HOCBA_*, hoặc --credentials).",
            f"{missing} missing (or the environment's HOCBA_*, or --credentials).",
        )
    return Connection(
        base_url=str(settled["--base-url"]),
        client_id=str(settled["--client-id"]),
        client_secret=str(settled["--client-secret"]),
    )


def _client_of(path: Path, school_code: str | None) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
        clients = content["clients"]
        chosen = next((item for item in clients if school_code in item["schools"]), clients[0])
        return {"base_url": content["base_url"], **chosen}
    except (ValueError, LookupError, TypeError) as error:
        raise SenderError(
            f"{path} không phải tệp credentials.json hợp lệ.", f"{path} is no valid credentials.json."
        ) from error


def _ask(to: Connection, question: Callable[[HocBaClient], Awaitable[T]]) -> T:
    async def asked() -> T:
        async with HocBaClient(to.base_url, to.client_id, to.client_secret) as client:
            return await question(client)

    with progress_console().status("Đang chờ dịch vụ / waiting for the service"):
        return asyncio.run(asked())


@commands.command()
def send(
    file: Annotated[Path, typer.Argument(help="*.xml, *.xml.gz hoặc *.json")],
    *,
    base_url: BaseUrl = None,
    client_id: ClientId = None,
    client_secret: ClientSecret = None,
    credentials: Credentials = None,
    wait: Annotated[int, typer.Option(help="Chờ kết quả bao nhiêu giây / seconds to wait")] = 0,
    is_raw: Annotated[bool, typer.Option("--raw", help="Gửi thẳng gzip / the gzip as body")] = False,
    is_atomic: Annotated[bool, typer.Option("--atomic", help="Nhận tất cả hoặc không / all or none")] = False,
    receipts: ReceiptFolder = None,
    as_json: Json = False,
) -> None:
    """Gửi một gói đã ký; gửi lại bao nhiêu lần cũng được. / Send a signed package; repeating is safe."""
    with failures_told(as_json=as_json):
        package = open_package(file.read_bytes())
        to = connection(
            base_url=base_url,
            client_id=client_id,
            client_secret=client_secret,
            credentials=credentials,
            school_code=package.school_code,
        )
        sent, body = _ask(to, lambda client: _send(client, package, wait, is_raw=is_raw, is_atomic=is_atomic))
        if receipts is not None:
            keep_receipts(receipts, body)
        if as_json:
            show_json(body)
        else:
            say(f"✓ Dịch vụ đã nhận gói {sent.package_id}", f"SHA-256 {sent.sha256}", style="bold green")
            _show_progress(body)
        raise typer.Exit(exit_code_of(body))


async def _send(
    client: HocBaClient, package: Package, wait: int, *, is_raw: bool, is_atomic: bool
) -> tuple[Sent, dict[str, Any]]:
    sent = await client.send(package, is_raw=is_raw, wait_seconds=wait, is_atomic=is_atomic)
    if sent.result is not None:
        return sent, sent.result
    if wait:
        return sent, await client.wait_for_result(sent.package_id, seconds=wait)
    return sent, {
        "package_id": sent.package_id,
        "sha256": sent.sha256,
        "status": sent.status,
        "acknowledgement": sent.acknowledgement,
    }


@commands.command()
def status(
    package_id: Annotated[str, typer.Argument(help="Mã gói / the package's id")],
    *,
    base_url: BaseUrl = None,
    client_id: ClientId = None,
    client_secret: ClientSecret = None,
    credentials: Credentials = None,
    outcome: Annotated[str | None, typer.Option(help="accepted, rejected, held")] = None,
    receipts: ReceiptFolder = None,
    as_json: Json = False,
) -> None:
    """Xem kết quả của một gói đã gửi. / See what became of a package."""
    with failures_told(as_json=as_json):
        to = connection(
            base_url=base_url, client_id=client_id, client_secret=client_secret, credentials=credentials
        )
        body = _ask(to, lambda client: client.package(package_id, outcome=outcome))
        if receipts is not None:
            keep_receipts(receipts, body)
        if as_json:
            show_json(body)
        else:
            _show_progress(body)
        raise typer.Exit(exit_code_of(body))


@commands.command()
def validate(
    file: Annotated[Path, typer.Argument(help="*.xml, *.xml.gz hoặc *.json")],
    *,
    base_url: BaseUrl = None,
    client_id: ClientId = None,
    client_secret: ClientSecret = None,
    credentials: Credentials = None,
    as_json: Json = False,
) -> None:
    """Kiểm tra thử một gói, không lưu gì. / Try a package out; nothing is stored."""
    with failures_told(as_json=as_json):
        package = open_package(file.read_bytes())
        to = connection(
            base_url=base_url,
            client_id=client_id,
            client_secret=client_secret,
            credentials=credentials,
            school_code=package.school_code,
        )
        body = _ask(to, lambda client: client.validate(package))
        if as_json:
            show_json(body)
        else:
            show_answer(body)
        raise typer.Exit(exit_code_of(body))


@commands.command("register-certificate")
def register_certificate(
    certificate: Annotated[Path, typer.Argument(help="Chứng thư số PEM, DER / certificate")],
    *,
    key: Annotated[Path, typer.Option(help="Khóa bí mật PEM, DER / private key")],
    school: Annotated[str, typer.Option(help="Mã trường / school code")],
    role: Annotated[Role, typer.Option(help="NHA_TRUONG, THU_TRUONG")] = Role.SCHOOL,
    base_url: BaseUrl = None,
    client_id: ClientId = None,
    client_secret: ClientSecret = None,
    credentials: Credentials = None,
    password: Annotated[str | None, typer.Option(envvar="HOCBA_KEY_PASSWORD")] = None,
    as_json: Json = False,
) -> None:
    """Đăng ký chứng thư số của trường, chờ phê duyệt. / Register a certificate; it then awaits approval."""
    with failures_told(as_json=as_json):
        private_key = load_private_key(key.read_bytes(), password.encode() if password else None)
        signer = load_certificate(certificate.read_bytes())
        to = connection(
            base_url=base_url,
            client_id=client_id,
            client_secret=client_secret,
            credentials=credentials,
            school_code=school,
        )
        body = _ask(
            to,
            lambda client: client.register_certificate(
                school_code=school, role=role, certificate=signer, key=private_key
            ),
        )
        if as_json:
            show_json(body)
        else:
            say("✓ Đã đăng ký, chờ cơ quan quản lý phê duyệt", "Registered; awaiting approval", style="green")


def _show_progress(body: dict[str, Any]) -> None:
    if body.get("status") == ANSWERED and "total" in body:
        show_answer(body)
        return
    say(
        f"Đang xử lý ({body.get('status')}); xem lại bằng: hocba status {body.get('package_id')}",
        "Being judged; look again with the command above",
    )


__all__ = ["Connection", "ExitCode", "commands", "connection"]
