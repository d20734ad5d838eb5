# ruff: noqa: INP001 - a program among pages, no package
"""Write the pages that say only what the program knows: ``python docs/generate.py`` renews them."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel
from typer.main import get_command

FOLDER: Final = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent))

from app.api.deps import Public, Requires  # noqa: E402 - the program is beside, not installed
from app.api.measures import new_measures  # noqa: E402 - as above
from app.api.problems import status_of  # noqa: E402 - as above
from app.audit import AuditTag  # noqa: E402 - as above
from app.cli import app as command_line  # noqa: E402 - as above
from app.deadlines.lives import EXEMPTION_LIFE, EXTENSION_LIFE  # noqa: E402 - as above
from app.findings import CATALOGUE, Cause  # noqa: E402 - as above
from app.findings.catalogue import FAMILIES  # noqa: E402 - as above
from app.forwarding.life import ARRIVAL_LIFE, FORWARDING_LIFE  # noqa: E402 - as above
from app.ingest.package import ITEM_LIFE, PACKAGE_LIFE  # noqa: E402 - as above
from app.lifecycle import Lifecycle  # noqa: E402 - as above
from app.main import ROUTERS  # noqa: E402 - as above
from app.recalls.life import RECALL_LIFECYCLE  # noqa: E402 - as above
from app.settings import Settings  # noqa: E402 - as above
from app.transfers.life import TRANSFER_LIFECYCLE  # noqa: E402 - as above
from app.verify.certificates.standing import CERTIFICATE_LIFECYCLE  # noqa: E402 - as above

NOTICE: Final = "<!-- Written by docs/generate.py: change the program, then run it again. -->"

FAMILY_TITLES: Final[Mapping[str, str]] = {
    "DD": "Sai định dạng / Form",
    "MA": "Sai mã / Codes",
    "TR": "Trùng dữ liệu / Duplicates",
    "KS": "Lỗi ký số / Signatures",
    "QH": "Quyền hạn / Permission",
    "TH": "Thời hạn / Deadlines",
    "NV": "Nghiệp vụ / Business rules",
    "HT": "Hệ thống / The service",
}
CATALOGUE_HEAD: Final = """
# Danh mục mã lỗi / Error codes

Một nguyên nhân, một mã, không bao giờ đổi nghĩa. Dạng JSON: `GET /api/v1/error-codes`.<br>
One cause, one code, for ever. The same as JSON: `GET /api/v1/error-codes`.

- Mức / severity: **error** từ chối / refuses · **query** nhà trường có thể giải trình / stands if explained ·
  **warning** chỉ báo / told only.
- Người xử lý / who acts: **vendor** hãng phần mềm · **school** nhà trường · **authority** cơ quan quản lý ·
  **operator** đơn vị vận hành.
- HTTP: mã trạng thái khi cả yêu cầu bị từ chối vì nguyên nhân này; trong kết quả của từng học bạ không có mã
  HTTP / the status where a request is refused for it; in the answer for a transcript there is none.
"""
AUDIT_HEAD: Final = """
Mỗi việc làm và mỗi lần xem hồ sơ là một dòng, ghi trong cùng giao dịch với việc đó.<br>
Every act and every look at a record is one line, written in the act's own transaction.
"""
LIVES: Final[Mapping[str, Lifecycle[Any]]] = {
    "Gói / Package": PACKAGE_LIFE,
    "Học bạ trong gói / Item": ITEM_LIFE,
    "Chứng thư số / Certificate": CERTIFICATE_LIFECYCLE,
    "Yêu cầu thu hồi / Recall": RECALL_LIFECYCLE,
    "Chuyển tiếp, tại Sở / Forwarding, at a province": FORWARDING_LIFE,
    "Đợt nhận, tại Bộ / Arrival, at the ministry": ARRIVAL_LIFE,
    "Chuyển giao quyền quản lý / Transfer": TRANSFER_LIFECYCLE,
    "Gia hạn / Extension": EXTENSION_LIFE,
    "Học bạ giấy được miễn / Exemption": EXEMPTION_LIFE,
}


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table; a bar inside a cell is escaped."""
    lines = [heads, ["---"] * len(heads), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cause(cause: Cause) -> str:
    return "\n".join(
        (
            f'### <a id="{cause.code}"></a>{cause.code} — {cause.title_vi}',
            f"*{cause.title_en}* · {cause.severity} · {cause.who} · HTTP {status_of(cause.code)}",
            "",
            f"- {cause.detail_vi}<br>{cause.detail_en}",
            f"- → {cause.hint_vi}<br>→ {cause.hint_en}",
            "",
        )
    )


def error_codes() -> str:
    """Give the page of the catalogue."""
    parts = [NOTICE, CATALOGUE_HEAD]
    for family in FAMILIES:
        causes = [cause for code, cause in sorted(CATALOGUE.items()) if code.startswith(family)]
        if causes:
            parts += [f"## {family} — {FAMILY_TITLES[family]}", *map(_cause, causes)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _settings(model: type[BaseModel]) -> Iterator[Sequence[str]]:
    for name, field in model.model_fields.items():
        default = "—" if field.default is None else f"`{field.default}`"
        yield f"`HOCBA_{name.upper()}`", default, field.description or ""


def _commands(command: Any, path: str) -> Iterator[Sequence[str]]:
    for name, inner in sorted(getattr(command, "commands", {}).items()):
        if hasattr(inner, "commands"):
            yield from _commands(inner, f"{path} {name}")
        else:
            yield f"`{path} {name}`", " ".join((inner.help or "").split())


def _callers(dependant: Dependant) -> Iterator[str]:
    for inner in dependant.dependencies:
        if isinstance(inner.call, Public):
            yield "công khai / anybody"
        elif isinstance(inner.call, Requires):
            yield ", ".join(sorted(inner.call.roles))
        yield from _callers(inner)


def _routes() -> Iterator[Sequence[str]]:
    for router in ROUTERS:
        for route in router.routes:
            if isinstance(route, APIRoute):
                for method in sorted(route.methods or ()):
                    callers = " · ".join(dict.fromkeys(_callers(route.dependant)))
                    yield f"`{method} {route.path}`", route.summary or "", callers


def _moves(life: Lifecycle[StrEnum]) -> Iterator[Sequence[str]]:
    for state, targets in life.moves.items():
        start = " (đầu tiên / first)" if state is life.initial else ""
        yield f"`{state}`{start}", ", ".join(f"`{target}`" for target in sorted(targets)) or "—"


def _metrics() -> Iterator[Sequence[str]]:
    for family in new_measures().registry.collect():
        yield f"`{family.name}`", family.type, family.documentation


def reference() -> str:
    """Give the page of settings, commands, routes, states, audit tags and metrics."""
    parts = [
        NOTICE,
        "# Tra cứu / Reference",
        "## Cấu hình / Settings",
        "Biến môi trường / environment variables.",
        table(["Tên / Name", "Mặc định / Default", "Ý nghĩa / Meaning"], list(_settings(Settings))),
        "## Lệnh / Commands",
        table(["Lệnh / Command", "Việc / What it does"], list(_commands(get_command(command_line), "hocba"))),
        "## HTTP",
        "Chi tiết từng trường: `GET /openapi.json` / Every field: `GET /openapi.json`.",
        table(["Địa chỉ / Route", "Việc / What it does", "Ai được gọi / Who may call"], list(_routes())),
        "## Trạng thái / States",
        *(
            f"**{name}**\n\n" + table(["Trạng thái / State", "Có thể thành / May become"], list(_moves(life)))
            for name, life in LIVES.items()
        ),
        "## Nhật ký / Audit log",
        AUDIT_HEAD.strip(),
        "\n".join(f"- `{tag}`" for tag in AuditTag),
        "## Số đo / Metrics (`GET /metrics`)",
        table(["Tên / Name", "Loại / Kind", "Ý nghĩa / Meaning"], list(_metrics())),
    ]
    return "\n\n".join(parts) + "\n"


def pages() -> dict[Path, str]:
    """Give every generated page with its content."""
    return {FOLDER / "error-codes.md": error_codes(), FOLDER / "reference.md": reference()}


if __name__ == "__main__":
    for path, content in pages().items():
        path.write_text(content, "utf-8")
