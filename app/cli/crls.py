"""``hocba admin crls``: revocation lists that the machine cannot fetch by itself."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit import AuditTag, record_act
from app.cli.admin import OPERATOR, run
from app.cli.operator import DataDir, settings_with
from app.cli.terminal import Json, say, show_json
from app.errors import DomainError
from app.offload import Offload
from app.verify.policy import ACCEPTANCE
from app.verify.revocation.shelf import IMPORTED, take_crl

commands = typer.Typer(help="Danh sách thu hồi (CRL) / revocation lists", no_args_is_help=True)


@commands.command("import")
def import_crl(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)],
    *,
    as_json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """Nạp CRL từ tệp (DER hoặc PEM) / Import a CRL; what waits for it is judged anew."""
    limit = settings_with(data_dir=data_dir).max_crl_bytes
    with file.open("rb") as opened:
        content = opened.read(limit + 1)

    async def work(connection: AsyncConnection, now: datetime) -> dict[str, Any]:
        if len(content) > limit:
            raise DomainError("KS-087", limit=limit)
        threads = Offload(1)
        try:
            taken = await take_crl(
                connection, content, source=IMPORTED, now=now, acceptance=ACCEPTANCE, offload=threads
            )
        finally:
            threads.close()
        await record_act(
            connection, now=now, actor=OPERATOR, tag=AuditTag.CRL_IMPORTED, subject=taken.evidence.sha256
        )
        return {
            "issuer": taken.issuer,
            "is_new": taken.is_new,
            "revoked": taken.revoked,
            "this_update": taken.evidence.produced_at.isoformat(),
            "next_update": taken.evidence.next_update.isoformat(),
            "sha256": taken.evidence.sha256,
        }

    body = run(data_dir, work, as_json=as_json)
    if as_json:
        show_json(body)
        return
    say(
        f"{body['issuer']}: {body['revoked']} chứng thư số bị thu hồi, hiệu lực đến {body['next_update']}.",
        "A new list." if body["is_new"] else "This list was there already.",
    )
