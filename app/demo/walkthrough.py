"""The walk-through: the demo province on a running service, from its founding to the first refusals."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
from rich.console import Console
from rich.table import Table

from app.client.packaging import Package, pack
from app.client.receipts import check_package, check_transcript, read_receipt
from app.demo.credentials import Login, write_credentials, write_files
from app.demo.founding import (
    APPROVED,
    Founded,
    client_of,
    enrol_certificates,
    extend_deadlines,
    found_province,
    open_http,
    sign_in,
)
from app.demo.mistakes import MISTAKES
from app.demo.province import Province, School, build_province
from app.demo.reporting import hand_in_rolls, print_compliance
from app.demo.transcripts import Share, compose_school, package_of, sign_composed, signing_moment

WAIT_SECONDS: Final = 30
EXTENSION: Final = timedelta(days=365)
SHOWN_FINDINGS: Final = 3
_LEVELS: Final = {"02": "tiểu học", "03": "THCS", "04": "THPT", "05": "GDTX"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where the walk-through plays."""

    base_url: str
    data_dir: Path
    province: Province
    founded: Founded
    signed_at: datetime
    now: datetime
    console: Console


async def play(
    base_url: str,
    data_dir: Path,
    administrator: Login,
    *,
    now: datetime,
    school_year: str,
    pupils: int,
    console: Console,
) -> None:
    """Found the province, leave credentials.json, send packages of four levels, and show what comes back."""
    signed_at = signing_moment(now, school_year)
    province = build_province(at=signed_at, school_year=school_year, pupils_per_school=pupils)
    async with open_http(base_url) as http:
        _chapter(console, "Lập tỉnh mẫu", "Found the demo province", province.department.name)
        founded = await found_province(http, administrator, province)
        approved = await enrol_certificates(http, base_url, founded, province)
        console.print(
            f"  {len(province.schools)} trường / schools, {approved} chứng thư số được duyệt / approved"
        )
        until = now + EXTENSION
        extended = await extend_deadlines(http, founded, province, until=until)
        console.print(
            f"  Gia hạn {school_year} cho {extended} trường đến / schools extended until {until:%d/%m/%Y}"
        )
        files = write_files(data_dir, province, signed_at=signed_at)
        written = write_credentials(
            data_dir,
            province,
            files,
            base_url=base_url,
            administrator=administrator,
            officers=founded.officers,
            clients=founded.clients,
        )
        stage = Stage(
            base_url=base_url,
            data_dir=data_dir,
            province=province,
            founded=founded,
            signed_at=signed_at,
            now=now,
            console=console,
        )
        recorded = await _send_all(stage, http)
        await _show_mistakes(stage)
        await _show_held(stage)
        await _recall_one(stage, http, recorded)
        await _report(stage, http)
        console.print(f"\n[bold]credentials.json[/]: {written}")


def _chapter(console: Console, vi: str, en: str, rest: str = "") -> None:
    console.print(f"\n[bold]{vi}[/] [dim]/ {en}[/] {rest}")


def _package(stage: Stage, school: School, share: Share) -> Package:
    composed = compose_school(stage.province, school, signed_at=stage.signed_at, share=share)
    signed = [sign_composed(item, signed_at=stage.signed_at) for item in composed]
    return pack(package_of(stage.province, school, signed, created_at=stage.now))


async def _send_all(stage: Stage, http: httpx.AsyncClient) -> dict[str, str]:
    """One package of each school whose seal is approved; receipts are verified as a sender would, offline.

    Gives a record of each school, by school code.
    """
    _chapter(stage.console, "Gửi học bạ", "Send transcripts")
    jwks = (await http.get("/.well-known/jwks.json")).json()
    table = Table(
        "Trường", "Cấp học", "Gửi", "Nhận", "Từ chối", "Chờ", "Biên nhận", box=None, header_style="dim"
    )
    recorded: dict[str, str] = {}
    for school in stage.province.schools:
        if school.seal_status != APPROVED:
            continue
        package = _package(stage, school, Share.SENT)
        async with client_of(stage.base_url, stage.founded, stage.province, school) as client:
            sent = await client.send(package, wait_seconds=WAIT_SECONDS)
            result = sent.result or await client.wait_for_result(sent.package_id, seconds=WAIT_SECONDS)
            again = await client.send(package)
            assert again.acknowledgement == sent.acknowledgement
            check_package(read_receipt(sent.acknowledgement, jwks), package.gzipped)
            for item in result["items"]:
                if item["outcome"] == "accepted":
                    receipt = read_receipt(item["receipt"], jwks)
                    check_transcript(receipt, await client.record_xml(item["record_id"]))
                    recorded.setdefault(school.code, item["record_id"])
        counts = [str(result[name]) for name in ("total", "accepted", "rejected", "held")]
        table.add_row(school.name, _LEVELS[school.level], *counts, "ES256 ✓")
    stage.console.print(table)
    stage.console.print(
        "  Gửi lại cùng gói: cùng một xác nhận. / The same package again: the same acknowledgement.\n"
        f"  Một học bạ đã ghi nhận / one record: {next(iter(recorded.values()), '–')}"
    )
    return recorded


async def _show_mistakes(stage: Stage) -> None:
    """A package in which every transcript is wrong in its own way, beside one that is right."""
    school = next(s for s in stage.province.schools if s.level == "03" and s.seal_status == APPROVED)
    composed = compose_school(stage.province, school, signed_at=stage.signed_at, seed=67)
    wrong = [mistake.make(item, stage.signed_at) for mistake, item in zip(MISTAKES, composed, strict=False)]
    package = pack(package_of(stage.province, school, wrong, created_at=stage.now, purpose="mistakes"))
    _chapter(stage.console, "Học bạ bị từ chối", "Refused transcripts", school.name)
    async with client_of(stage.base_url, stage.founded, stage.province, school) as client:
        sent = await client.send(package, wait_seconds=WAIT_SECONDS)
        result = sent.result or await client.wait_for_result(sent.package_id, seconds=WAIT_SECONDS)
    for mistake, item in zip(MISTAKES, result["items"], strict=False):
        stage.console.print(f"\n  [bold]{item['position']}. {mistake.name}[/] → {item['outcome']}")
        errors = [finding for finding in item["findings"] if finding["severity"] == "error"]
        for finding in errors[:SHOWN_FINDINGS]:
            _show_finding(stage.console, finding)
        if len(errors) > SHOWN_FINDINGS:
            stage.console.print(f"     … và {len(errors) - SHOWN_FINDINGS} lỗi nữa / more")


def _show_finding(console: Console, finding: dict[str, Any]) -> None:
    place = f"dòng / line {finding['line']}" if finding["line"] else ""
    console.print(f"     [red]{finding['code']}[/] {finding['message_vi']} [dim]({finding['who']})[/]")
    console.print(f"       [dim]{finding['message_en']}[/]")
    console.print(f"       [dim]{finding['xpath'] or ''} {place}[/]", soft_wrap=True)
    console.print(f"       → {finding['hint']}")


async def _show_held(stage: Stage) -> None:
    """A school whose seal awaits approval: nothing is refused, nothing is recorded, it settles by itself."""
    school = next(s for s in stage.province.schools if s.seal_status == "pending")
    package = _package(stage, school, Share.SENT)
    _chapter(stage.console, "Con dấu chờ duyệt", "A seal that awaits approval", school.name)
    async with client_of(stage.base_url, stage.founded, stage.province, school) as client:
        sent = await client.send(package, wait_seconds=WAIT_SECONDS)
        result = sent.result or await client.wait_for_result(sent.package_id, seconds=WAIT_SECONDS)
    stage.console.print(
        f"  {result['held']} học bạ được giữ chờ, tự ghi nhận khi con dấu được duyệt / held, recorded by "
        "themselves once the seal is approved"
    )


async def _recall_one(stage: Stage, http: httpx.AsyncClient, recorded: Mapping[str, str]) -> None:
    """A school asks for a recall, its commune decides: nothing changes before, the bytes never."""
    school = next(s for s in stage.province.schools if s.code in recorded and s.level == "02")
    record_id = recorded[school.code]
    _chapter(stage.console, "Thu hồi một học bạ", "Recall one transcript", school.name)
    async with client_of(stage.base_url, stage.founded, stage.province, school) as client:
        asked = await client.request_recall(
            [record_id], reason_code="WRONG_RESULTS", reason="Nhập nhầm mức đạt được của môn Toán"
        )
        pending = (await client.record(record_id))["status"]
        officer = next(item for item in stage.province.officers if item.organisation == school.managed_by)
        caller = await sign_in(http, stage.founded.officers[officer.username])
        await caller.post(f"/recalls/{asked['recall_id']}/approve")
        decided = (await client.record(record_id))["status"]
    stage.console.print(
        f"  {record_id}: {pending} → {decided}, do {officer.username} phê duyệt / approved by the commune"
    )


async def _report(stage: Stage, http: httpx.AsyncClient) -> None:
    """The department hands in the rolls, and reads who is still missing."""
    officer = next(item for item in stage.province.officers if item.role == "department_officer")
    caller = await sign_in(http, stage.founded.officers[officer.username])
    _chapter(stage.console, "Tiến độ nộp học bạ", "The compliance report", stage.province.department.name)
    pupils = await hand_in_rolls(caller, stage.province)
    stage.console.print(f"  Danh sách {pupils} học sinh / pupils on the rolls")
    await print_compliance(caller, stage.province, stage.console)
