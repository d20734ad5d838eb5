"""``hocba admin forwardings`` at a department, ``hocba admin province-keys`` at the ministry."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from app.cli.admin import OPERATOR, run
from app.cli.operator import DataDir
from app.cli.terminal import Json, say, show_json
from app.forwarding.provinces import add_keys, read_jwks
from app.forwarding.requesting import list_forwardings
from app.ids import hex32

commands = typer.Typer(help="Chuyển tiếp lên Bộ / forwarding to the ministry", no_args_is_help=True)
keys = typer.Typer(help="Khóa công khai của các Sở / provinces' keys", no_args_is_help=True)


@commands.command("list")
def list_all(*, as_json: Json = False, data_dir: DataDir = None) -> None:
    """Từng bản chốt đã chuyển đến đâu / How far each snapshot has come."""

    async def work(connection: AsyncConnection, _: datetime) -> list[dict[str, Any]]:
        return [
            {
                "snapshot_id": hex32(held.snapshot_id),
                "status": held.state,
                "round": held.round,
                "sent": held.sent,
                "failed_runs": held.attempts,
                "next_try_at": held.next_try_at.isoformat(timespec="seconds"),
                "last_error": held.last_error,
                "disputes": None if held.claims is None else held.claims["disputes"],
            }
            for held in await list_forwardings(connection)
        ]

    listed = run(data_dir, work, as_json=as_json)
    if as_json:
        show_json(listed)
        return
    for row in listed:
        vi = f"{row['snapshot_id']}: {row['status']}, lượt {row['round']}, đã gửi {row['sent']} học bạ"
        say(vi, f"{row['failed_runs']} failed runs; {row['last_error'] or 'no error'}")


@keys.command("add")
def add_province_keys(
    province: Annotated[str, typer.Argument(help="Mã Sở, 2 chữ số / the department's code")],
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)],
    *,
    as_json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """Ghi nhận JWKS của Sở, nhận từ chính Sở / Take down a department's JWKS, handed over by it."""
    content = file.read_bytes()

    async def work(connection: AsyncConnection, now: datetime) -> dict[str, Any]:
        keys = await add_keys(connection, province, read_jwks(content), now=now, actor=OPERATOR)
        return {"province": province, "kids": [key.kid for key in keys if key.withdrawn_at is None]}

    body = run(data_dir, work, as_json=as_json)
    if as_json:
        show_json(body)
        return
    say(f"Sở {province}: {', '.join(body['kids'])}", "These keys are believed.")
