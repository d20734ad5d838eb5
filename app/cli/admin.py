"""``hocba admin``: what an operator sets up on the machine, with the very functions that HTTP calls."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Role, System
from app.cli.operator import DataDir, settings_with
from app.cli.running import open_database, prepare_schema, refusals_told, service_url
from app.cli.terminal import ExitCode, Json, say, show_json
from app.clock import system_clock
from app.db import open_engine, transaction
from app.errors import DomainError
from app.organisations.accounts import AccountDraft, count_administrators, create_account, list_accounts
from app.organisations.clients import create_client, list_clients
from app.organisations.importing import ImportKind, import_organisations
from app.organisations.kinds import OrganisationKind
from app.organisations.passwords import hash_password
from app.organisations.tree import (
    OrganisationDraft,
    create_organisation,
    find_organisation,
    legal_date,
    list_organisations,
)
from app.settings import Settings
from app.verify.certificates.anchors import AnchorKind, add_anchor, list_anchors
from app.verify.certificates.possession import read_certificate
from app.verify.chain import OwnerClass

T = TypeVar("T")
Work = Callable[[AsyncConnection, datetime], Awaitable[T]]

OPERATOR: Final = System(id="operator")
MINISTRY_CODE: Final = "BGDDT"
MINISTRY_NAME: Final = "Bộ Giáo dục và Đào tạo"
LIST_LIMIT: Final = 10_000

commands = typer.Typer(help="Quản trị / administration", no_args_is_help=True)
organisations = typer.Typer(help="Đơn vị / organisations", no_args_is_help=True)
accounts = typer.Typer(help="Tài khoản cán bộ / officers' accounts", no_args_is_help=True)
clients = typer.Typer(help="Phần mềm nhà trường / clients", no_args_is_help=True)
anchors = typer.Typer(help="Danh sách tin cậy / trust anchors", no_args_is_help=True)
commands.add_typer(organisations, name="organisations")
commands.add_typer(accounts, name="accounts")
commands.add_typer(clients, name="clients")
commands.add_typer(anchors, name="trust-anchors")

Username = Annotated[str, typer.Option(help="Tên đăng nhập / user name")]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Đọc mật khẩu từ stdin / read the password from stdin")
]
OrganisationOption = Annotated[str, typer.Option("--organisation", help="Mã đơn vị / organisation code")]


def run(data_dir: Path | None, work: Work[T], *, as_json: bool) -> T:
    """Do a piece of work in one transaction as the service's role; refusals become messages, exit code 4."""
    settings = settings_with(data_dir=data_dir)
    try:
        with refusals_told(ExitCode.UNREACHABLE), open_database(settings) as owner_url:
            return asyncio.run(_run(settings, owner_url, work))
    except DomainError as error:
        _tell(error, as_json=as_json)
        raise typer.Exit(ExitCode.DENIED) from error


async def _run(settings: Settings, owner_url: str, work: Work[T]) -> T:
    await prepare_schema(settings, owner_url)
    engine = open_engine(service_url(settings, owner_url), pool_size=2)
    try:
        async with transaction(engine) as connection:
            return await work(connection, system_clock())
    finally:
        await engine.dispose()


def _tell(error: DomainError, *, as_json: bool) -> None:
    vi, en = error.cause.detail_vi.format(**error.facts), error.cause.detail_en.format(**error.facts)
    if as_json:
        show_json({"code": error.code, "error": vi, "error_en": en, "facts": error.facts})
    else:
        say(f"{error.code}: {vi}", en, style="bold red")
        say(error.cause.hint_vi, error.cause.hint_en)


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(typer.prompt("Mật khẩu / Password", hide_input=True, confirmation_prompt=True))


def _show(body: dict[str, Any], vi: str, en: str, *, as_json: bool) -> None:
    if as_json:
        show_json(body)
    else:
        say(vi, en)


@commands.command("create-administrator")
def create_administrator(
    username: Username,
    full_name: Annotated[str, typer.Option(help="Họ tên / full name")] = "Quản trị viên",
    *,
    password_stdin: PasswordStdin = False,
    as_json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """Tạo quản trị viên đầu tiên / Create the first administrator, and the ministry above all."""

    async def work(connection: AsyncConnection, now: datetime) -> None:
        if await count_administrators(connection):
            raise DomainError("QH-058")
        if await find_organisation(connection, MINISTRY_CODE) is None:
            root = OrganisationDraft(
                kind=OrganisationKind.MINISTRY,
                code=MINISTRY_CODE,
                name=MINISTRY_NAME,
                valid_from=legal_date(now),
            )
            await create_organisation(connection, root, now=now, actor=OPERATOR)
        draft = AccountDraft(
            username=username,
            full_name=full_name,
            role=Role.ADMINISTRATOR,
            organisation_code=MINISTRY_CODE,
            password_hash=hash_password(password),
        )
        await create_account(connection, draft, now=now, actor=OPERATOR)

    password = _password(from_stdin=password_stdin)
    run(data_dir, work, as_json=as_json)
    body = {"username": username, "role": Role.ADMINISTRATOR, "organisation": MINISTRY_CODE}
    _show(
        body, f"Đã tạo quản trị viên {username}.", f"Created the administrator {username}.", as_json=as_json
    )


@organisations.command("add")
def add_organisation(
    kind: Annotated[OrganisationKind, typer.Option(help="ministry | department | commune | school")],
    code: Annotated[str, typer.Option(help="Mã / code")],
    name: Annotated[str, typer.Option(help="Tên / name")],
    *,
    parent: Annotated[str | None, typer.Option(help="Mã đơn vị cấp trên / parent's code")] = None,
    level: Annotated[list[str] | None, typer.Option(help="Cấp học 02-05 / school level")] = None,
    managed_by: Annotated[str | None, typer.Option(help="Cơ quan quản lý / managing authority")] = None,
    private: Annotated[bool, typer.Option("--private", help="Trường tư thục / a private school")] = False,
    valid_from: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"])] = None,
    as_json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """Thêm đơn vị / Add an organisation."""

    async def work(connection: AsyncConnection, now: datetime) -> None:
        draft = OrganisationDraft(
            kind=kind,
            code=code,
            name=name,
            parent_code=parent,
            levels=tuple(level or ()),
            is_public=not private,
            managed_by=managed_by,
            valid_from=legal_date(now) if valid_from is None else valid_from.date(),
        )
        await create_organisation(connection, draft, now=now, actor=OPERATOR)

    run(data_dir, work, as_json=as_json)
    _show({"code": code, "kind": kind}, f"Đã thêm {name}.", f"Added {code}.", as_json=as_json)


@organisations.command("import")
def import_file(
    kind: Annotated[ImportKind, typer.Argument(help="provinces | communes | schools")],
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)],
    *,
    as_json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """Nhập danh sách từ CSV; sai một dòng thì không nhập dòng nào / Import a CSV, all lines or none."""
    content = file.read_bytes()

    async def work(connection: AsyncConnection, now: datetime) -> dict[str, Any]:
        report = await import_organisations(connection, content, kind, now=now, actor=OPERATOR)
        return {
            "created": report.created,
            "renamed": report.renamed,
            "unchanged": report.unchanged,
            "errors": [
                {
                    "line": row.line,
                    "code": row.code,
                    "message_vi": row.message_vi,
                    "message_en": row.message_en,
                }
                for row in report.findings
            ],
        }

    report = run(data_dir, work, as_json=as_json)
    if as_json:
        show_json(report)
    for wrong in [] if as_json else report["errors"]:
        say(f"{wrong['code']}: {wrong['message_vi']}", wrong["message_en"], style="red")
    if report["errors"]:
        raise typer.Exit(ExitCode.NOT_ACCEPTED)
    if not as_json:
        counts = (report["created"], report["renamed"], report["unchanged"])
        say(
            "Thêm {} · đổi tên {} · giữ nguyên {}".format(*counts),
            "Created {}, renamed {}, unchanged {}".format(*counts),
        )


@organisations.command("list")
def list_all_organisations(
    kind: Annotated[OrganisationKind | None, typer.Option()] = None,
    *,
    as_json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """Danh sách đơn vị / List organisations."""

    async def work(connection: AsyncConnection, _: datetime) -> list[dict[str, Any]]:
        found = await list_organisations(connection, kind=kind, limit=LIST_LIMIT)
        return [{"code": row.code, "kind": row.kind, "name": row.name} for row in found]

    _list(run(data_dir, work, as_json=as_json), as_json=as_json)


@accounts.command("add")
def add_account(
    username: Username,
    role: Annotated[Role, typer.Option(help="Vai trò / role")],
    organisation: OrganisationOption,
    full_name: Annotated[str, typer.Option(help="Họ tên / full name")],
    *,
    external_subject: Annotated[str | None, typer.Option(help="sub của OIDC / of OIDC")] = None,
    password_stdin: PasswordStdin = False,
    as_json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """Thêm tài khoản; có --external-subject thì không cần mật khẩu / Add an account."""
    needs_password = password_stdin or external_subject is None
    password = _password(from_stdin=password_stdin) if needs_password else None

    async def work(connection: AsyncConnection, now: datetime) -> None:
        draft = AccountDraft(
            username=username,
            full_name=full_name,
            role=role,
            organisation_code=organisation,
            password_hash=None if password is None else hash_password(password),
            external_subject=external_subject,
        )
        await create_account(connection, draft, now=now, actor=OPERATOR)

    run(data_dir, work, as_json=as_json)
    body = {"username": username, "role": role, "organisation": organisation}
    _show(body, f"Đã thêm tài khoản {username}.", f"Added the account {username}.", as_json=as_json)


@accounts.command("list")
def list_all_accounts(*, as_json: Json = False, data_dir: DataDir = None) -> None:
    """Danh sách tài khoản / List accounts."""

    async def work(connection: AsyncConnection, _: datetime) -> list[dict[str, Any]]:
        found = await list_accounts(connection, limit=LIST_LIMIT)
        return [
            {"username": row.username, "role": row.role, "organisation": row.organisation_code}
            | ({} if row.is_active else {"is_active": False})
            for row in found
        ]

    _list(run(data_dir, work, as_json=as_json), as_json=as_json)


@clients.command("add")
def add_client(
    name: Annotated[str, typer.Option(help="Tên phần mềm / name")],
    *,
    client_id: Annotated[str | None, typer.Option(help="Mã; bỏ trống: tự đặt / chosen if left out")] = None,
    school: Annotated[
        list[str] | None, typer.Option(help="Mã trường uỷ quyền / school that authorised it")
    ] = None,
    department: Annotated[
        str | None, typer.Option(help="Hệ thống của Sở này / this department's own instance")
    ] = None,
    as_json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """Thêm phần mềm; mật khẩu chỉ hiện một lần / Add a client; its secret is shown this once."""

    async def work(connection: AsyncConnection, now: datetime) -> dict[str, Any]:
        made, secret = await create_client(
            connection, name=name, client_id=client_id, school_codes=school or (),
            department_code=department, now=now, actor=OPERATOR,
        )  # fmt: skip
        return {"client_id": made.client_id, "client_secret": secret, "schools": list(made.school_codes)}

    body = run(data_dir, work, as_json=as_json)
    pair = f"client_id={body['client_id']} client_secret={body['client_secret']}"
    _show(body, pair, "The secret is not shown again.", as_json=as_json)


@clients.command("list")
def list_all_clients(*, as_json: Json = False, data_dir: DataDir = None) -> None:
    """Danh sách phần mềm / List clients."""

    async def work(connection: AsyncConnection, now: datetime) -> list[dict[str, Any]]:
        found = await list_clients(connection, at=now, limit=LIST_LIMIT)
        return [
            {"client_id": row.client_id, "name": row.name, "schools": ", ".join(row.school_codes)}
            for row in found
        ]

    _list(run(data_dir, work, as_json=as_json), as_json=as_json)


@anchors.command("add")
def add_trust_anchor(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)],
    owner_class: Annotated[OwnerClass, typer.Option(help="public_sector | licensed_public")],
    *,
    kind: Annotated[AnchorKind, typer.Option(help="anchor | intermediate")] = AnchorKind.ANCHOR,
    as_json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """Thêm chứng thư số tin cậy (PEM hoặc DER) / Add a trusted certificate."""
    content = file.read_bytes()

    async def work(connection: AsyncConnection, now: datetime) -> dict[str, Any]:
        listed = await add_anchor(
            connection,
            read_certificate(content),
            owner_class=owner_class,
            kind=kind,
            now=now,
            actor=OPERATOR,
        )
        return {"fingerprint": listed.fingerprint, "subject": listed.subject, "kind": listed.kind}

    body = run(data_dir, work, as_json=as_json)
    _show(body, f"Đã thêm {body['subject']}.", f"Listed {body['fingerprint']}.", as_json=as_json)


@anchors.command("list")
def list_trust_anchors(*, as_json: Json = False, data_dir: DataDir = None) -> None:
    """Danh sách tin cậy / List trust anchors."""

    async def work(connection: AsyncConnection, _: datetime) -> list[dict[str, Any]]:
        found = await list_anchors(connection, limit=LIST_LIMIT)
        return [
            {"fingerprint": row.fingerprint, "subject": row.subject, "owner_class": row.owner_class}
            for row in found
            if row.withdrawn_at is None
        ]

    _list(run(data_dir, work, as_json=as_json), as_json=as_json)


def _list(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        show_json(rows)
        return
    for row in rows:
        say("  ".join(str(value) for value in row.values()))
