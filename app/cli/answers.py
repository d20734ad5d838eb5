"""Answers about packages, for people: counts, and every finding with its place and what to do."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from app.cli.terminal import ExitCode, say

_OUTCOMES: Final = {
    "accepted": ("✓", "được nhận", "green"),
    "rejected": ("✗", "bị từ chối", "red"),
    "held": ("…", "đang chờ", "yellow"),
    "pending": ("…", "chưa xử lý", "dim"),
}
_SEVERITIES: Final = {
    "error": ("lỗi", "red"),
    "query": ("cần giải trình", "yellow"),
    "warning": ("cảnh báo", "yellow"),
}
_RESPONSIBLE: Final = {
    "vendor": "đơn vị phần mềm",
    "school": "nhà trường",
    "authority": "cơ quan quản lý",
    "operator": "đơn vị vận hành",
}


def show_answer(body: dict[str, Any]) -> None:
    """Print counts, then the findings: of the package, then of each transcript that has any."""
    counts = {name: body.get(name, 0) for name in ("total", "accepted", "rejected", "held")}
    say(
        f"{counts['total']} học bạ: {counts['accepted']} được nhận, {counts['rejected']} bị từ chối, "
        f"{counts['held']} đang chờ",
        f"{counts['total']} transcripts: {counts['accepted']} accepted, {counts['rejected']} rejected, "
        f"{counts['held']} held",
        style="bold",
    )
    _show_findings(body.get("findings", []))
    for item in body.get("items", []):
        if item.get("findings") or item.get("outcome") != "accepted":
            mark, word, style = _OUTCOMES.get(item.get("outcome", ""), ("?", "?", ""))
            say(f"{mark} Học bạ {item['position']} ({item.get('record_id') or '—'}): {word}", style=style)
            _show_findings(item.get("findings", []))


def exit_code_of(body: dict[str, Any]) -> ExitCode:
    """Say how a command ends: not well where anything was refused."""
    is_refused = any(finding.get("severity") == "error" for finding in body.get("findings", []))
    return ExitCode.NOT_ACCEPTED if is_refused or body.get("rejected", 0) else ExitCode.DONE


def keep_receipts(folder: Path, body: dict[str, Any]) -> int:
    """Write the acknowledgement and every item's receipt as files of their own; gives how many."""
    folder.mkdir(parents=True, exist_ok=True)
    package_id = str(body["package_id"])
    tokens = {f"{package_id}.acknowledgement.jws": body.get("acknowledgement")}
    for item in body.get("items", []):
        tokens[f"{package_id}.{item['position']:04}.jws"] = item.get("receipt")
    written = {name: token for name, token in tokens.items() if token}
    for name, token in written.items():
        (folder / name).write_text(f"{token}\n", encoding="ascii")
    return len(written)


def _show_findings(findings: Sequence[dict[str, Any]]) -> None:
    for finding in findings:
        word, style = _SEVERITIES.get(finding.get("severity", ""), ("?", ""))
        line = f", dòng {finding['line']}" if finding.get("line") else ""
        say(f"    [{finding['code']}] {word}{line}: {finding['message_vi']}", style=style)
        say(f"      {finding['message_en']}", style="dim")
        if finding.get("xpath"):
            value = f" = {finding['value']}" if finding.get("value") else ""
            say(f"      tại {finding['xpath']}{value}")
        who = _RESPONSIBLE.get(finding.get("who", ""), "")
        say(f"      → {finding.get('hint', '')}" + (f" ({who})" if who else ""))
