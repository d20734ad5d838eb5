"""The walk-through: the demo province on a running service, from its founding to the lock and past it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
from rich.console import Console
from rich.table import Table

from app.client.packaging import Package, pack
from app.client.receipts import check_package, check_transcript, read_receipt
from app.client.signing import VIETNAM
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
from app.demo.province import Officer, Province, School, build_province
from app.demo.reporting import Read, hand_in_rolls, print_compliance, read_compliance, sealed_snapshot
from app.demo.story import SHORTLY, StoryClock, lock_of_schools
from app.demo.transcripts import (
    Composed,
    Share,
    compose_school,
    package_of,
    replacing,
    sign_composed,
    signing_moment,
)

WAIT_SECONDS: Final = 30
EXTENSION: Final = timedelta(days=365)
SHOWN_FINDINGS: Final = 3
_LEVELS: Final = {"02": "tiểu học", "03": "THCS", "04": "THPT", "05": "GDTX"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where and when the walk-through plays."""

    base_url: str
    data_dir: Path
    province: Province
    founded: Founded
    signed_at: datetime
    clock: StoryClock
    console: Console


async def play(
    base_url: str,
    data_dir: Path,
    administrator: Login,
    *,
    clock: StoryClock,
    school_year: str,
    pupils: int,
    console: Console,
) -> None:
    """Play the province's year: found it, send, refuse, recall, and report before the lock and after it.

    The story begins in June, by the clock handed in, and goes on in July; then it comes back to the present
    and leaves credentials.json for outside clients.
    """
    signed_at = signing_moment(clock(), school_year)
    province = build_province(at=signed_at, school_year=school_year, pupils_per_school=pupils)
    async with open_http(base_url) as http:
        _chapter(console, "Lập tỉnh mẫu", "Found the demo province", province.department.name)
        founded = await found_province(http, administrator, province)
        approved = await enrol_certificates(http, base_url, founded, province)
        console.print(
            f"  {len(province.schools)} trường / schools, {approved} chứng thư số được duyệt / approved"
        )
        stage = Stage(
            base_url=base_url,
            data_dir=data_dir,
            province=province,
            founded=founded,
            signed_at=signed_at,
            clock=clock,
            console=console,
        )
        recorded = await _send_all(stage, http)
        await _show_mistakes(stage)
        await _show_held(stage)
        recalled = await _recall_one(stage, http, recorded)
        await _lock(stage, http, recalled)
        clock.come_back()
        await _open_to_others(stage, http, administrator)


async def _open_to_others(stage: Stage, http: httpx.AsyncClient, administrator: Login) -> None:
    """Back in the present: let every school in once more, and leave outside clients what they need."""
    until = stage.clock() + EXTENSION
    extended = await extend_deadlines(http, stage.founded, stage.province, until=until)
    _chapter(
        stage.console,
        "Trở lại hiện tại",
        "Back in the present",
        f"{stage.clock().astimezone(VIETNAM):%d/%m/%Y}",
    )
    stage.console.print(
        f"  Gia hạn {stage.province.school_year} cho {extended} trường đến / schools extended until "
        f"{until:%d/%m/%Y}"
    )
    written = write_credentials(
        stage.data_dir,
        stage.province,
        write_files(stage.data_dir, stage.province, signed_at=stage.signed_at),
        base_url=stage.base_url,
        administrator=administrator,
        officers=stage.founded.officers,
        clients=stage.founded.clients,
    )
    stage.console.print(f"\n[bold]credentials.json[/]: {written}")


def _chapter(console: Console, vi: str, en: str, rest: str = "") -> None:
    console.print(f"\n[bold]{vi}[/] [dim]/ {en}[/] {rest}")


def _package(stage: Stage, school: School, share: Share) -> Package:
    composed = compose_school(stage.province, school, signed_at=stage.signed_at, share=share)
    signed = [sign_composed(item, signed_at=stage.signed_at) for item in composed]
    return pack(package_of(stage.province, school, signed, created_at=stage.clock()))


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
    package = pack(package_of(stage.province, school, wrong, created_at=stage.clock(), purpose="mistakes"))
    _chapter(stage.console, "Học bạ bị từ chối", "Refused transcripts", school.name)
    async with client_of(stage.base_url, stage.founded, stage.province, school) as client:
        sent = await client.send(package, wait_seconds=WAIT_SECONDS)
        result = sent.result or await client.wait_for_result(sent.package_id, seconds=WAIT_SECONDS)
    for mistake, item in zip(MISTAKES, result["items"], strict=False):
        stage.console.print(f"\n  [bold]{item['position']}. {mistake.name}[/] → {item['outcome']}")
        errors = [finding for finding in item["findings"] if finding["severity"] == "error"]
        alike: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for finding in errors:
            alike.setdefault((finding["code"], finding["message_vi"]), []).append(finding)
        for first, *others in list(alike.values())[:SHOWN_FINDINGS]:
            _show_finding(stage.console, first, others=len(others))
        if len(alike) > SHOWN_FINDINGS:
            stage.console.print(f"     … và {len(alike) - SHOWN_FINDINGS} lỗi nữa / more")


def _show_finding(console: Console, finding: dict[str, Any], *, others: int) -> None:
    """Show one finding, and in how many other places (signatures over the same content) it is the same."""
    place = f"dòng / line {finding['line']}" if finding["line"] else ""
    if others:
        place += f" và {others} nơi khác / and {others} more"
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


async def _recall_one(
    stage: Stage, http: httpx.AsyncClient, recorded: Mapping[str, str]
) -> tuple[School, str]:
    """A school asks for a recall, its commune decides: nothing changes before, the bytes never.

    Gives the school and the recalled transcript's look-up code.
    """
    school = next(s for s in stage.province.schools if s.code in recorded and s.level == "02")
    record_id = recorded[school.code]
    _chapter(stage.console, "Thu hồi một học bạ", "Recall one transcript", school.name)
    async with client_of(stage.base_url, stage.founded, stage.province, school) as client:
        asked = await client.request_recall(
            [record_id], reason_code="WRONG_RESULTS", reason="Nhập nhầm mức đạt được của môn Toán"
        )
        pending = (await client.record(record_id))["status"]
        officer = _officer_of(stage, school.managed_by)
        caller = await sign_in(http, stage.founded.officers[officer.username])
        await caller.post(f"/recalls/{asked['recall_id']}/approve")
        decided = (await client.record(record_id))["status"]
    stage.console.print(
        f"  {record_id}: {pending} → {decided}, do {officer.username} phê duyệt / approved by the commune"
    )
    return school, record_id


def _officer_of(stage: Stage, organisation: str) -> Officer:
    return next(item for item in stage.province.officers if item.organisation == organisation)


async def _lock(stage: Stage, http: httpx.AsyncClient, recalled: tuple[School, str]) -> None:
    """Commune and department read the report before the lock and after it, beside what was sealed."""
    readers = [_officer_of(stage, recalled[0].managed_by), _officer_of(stage, stage.province.department.code)]
    department = await sign_in(http, stage.founded.officers[readers[-1].username])
    pupils = await hand_in_rolls(department, stage.province)
    _chapter(
        stage.console, "Tiến độ trước khi chốt", "Compliance before the lock", f"{pupils} học sinh / pupils"
    )
    before = await _read_all(stage, http, readers)

    lock = await lock_of_schools(department, stage.province.school_year, stage.province.department.code)
    stage.clock.go(lock + SHORTLY)
    department = await sign_in(http, stage.founded.officers[readers[-1].username])
    snapshot = await sealed_snapshot(department, stage.province.school_year)
    _chapter(stage.console, "Tiến độ sau khi chốt", "Compliance after the lock", f"{lock:%d/%m/%Y %H:%M %z}")
    stage.console.print(
        f"  Bản chốt tự niêm phong / sealed by itself: {snapshot['kind']}, {snapshot['size']} học bạ, "
        f"gốc Merkle / root {snapshot['root'][:16]}…"
    )
    await _send_replacement(stage, *recalled)
    await _read_all(stage, http, readers, snapshot=snapshot, before=before)


async def _read_all(
    stage: Stage,
    http: httpx.AsyncClient,
    readers: Sequence[Officer],
    *,
    snapshot: Mapping[str, Any] | None = None,
    before: Sequence[Read] = (),
) -> list[Read]:
    """Let each officer read the report of what is theirs, and print it beside the earlier reading."""
    names = {body.code: body.name for body in (*stage.province.communes, stage.province.department)}
    read = []
    for place, officer in enumerate(readers):
        caller = await sign_in(http, stage.founded.officers[officer.username])
        read.append(await read_compliance(caller, stage.province, snapshot))
        earlier = before[place] if before else None
        print_compliance(stage.console, names[officer.organisation], read[-1], earlier)
    return read


async def _send_replacement(stage: Stage, school: School, recalled: str) -> None:
    """The school issues the recalled transcript anew, after the lock: it counts, as late."""
    place = next(
        place
        for place, item in enumerate(_composed(stage, school, stage.signed_at))
        if item.record_id.hex == recalled
    )
    signed_at = stage.clock() - timedelta(minutes=10)
    anew = replacing(_composed(stage, school, signed_at, seed=68)[place], recalled)
    package = pack(
        package_of(
            stage.province,
            school,
            [sign_composed(anew, signed_at=signed_at)],
            created_at=stage.clock(),
            purpose="replacement",
        )
    )
    async with client_of(stage.base_url, stage.founded, stage.province, school) as client:
        sent = await client.send(package, wait_seconds=WAIT_SECONDS)
        result = sent.result or await client.wait_for_result(sent.package_id, seconds=WAIT_SECONDS)
    (item,) = result["items"]
    stage.console.print(
        f"  Học bạ thay thế gửi sau mốc / the replacement, sent after the lock: {item['outcome']}, "
        f"{'muộn / late' if item['late'] else 'đúng hạn / on time'}"
    )


def _composed(stage: Stage, school: School, signed_at: datetime, *, seed: int = 66) -> list[Composed]:
    return compose_school(stage.province, school, signed_at=signed_at, share=Share.SENT, seed=seed)
