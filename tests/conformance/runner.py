"""Plays the kit's cases against a service and says where its answers differ.

``python -m tests.conformance.runner --base-url https://… --credentials credentials.json [case …]``
See PROTOCOL.md for what has to be there, and what is compared.
"""

import argparse
import asyncio
import gzip
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import httpx

CASES: Final = Path(__file__).with_name("cases")
# Whether a package came in time depends on the day it is played: left out of a comparison by request.
TIMELINESS: Final = "TH-"
_GZIP: Final = "application/gzip"
_JSON: Final = "application/json"


def cases(names: Sequence[str] = (), folder: Path = CASES) -> Iterator[Path]:
    """Give the cases' folders in order, all or those named."""
    for path in sorted(folder.iterdir()):
        if not names or path.name in names:
            yield path


def request_of(folder: Path, outer: Mapping[str, str]) -> dict[str, Any]:
    """Say how a case's material is sent to ``POST /api/v1/validations``."""
    (material,) = (
        path
        for path in folder.iterdir()
        if path.name in {"package.xml", "package.gz", "payload.b64", "request.json"}
    )
    content = material.read_bytes()
    if material.name == "request.json":
        return {"content": content, "headers": {"Content-Type": _JSON}}
    if material.name == "payload.b64":
        body = json.dumps({**outer, "payload": content.decode()})
        return {"content": body.encode(), "headers": {"Content-Type": _JSON}}
    if material.name == "package.xml":
        content = gzip.compress(content, mtime=0)
    return {"params": outer, "content": content, "headers": {"Content-Type": _GZIP}}


def read_answer(answer: httpx.Response) -> dict[str, Any]:
    """Reduce an answer to what is compared."""
    body = answer.json()
    if answer.status_code != 200:
        return {"problem": body["code"]}
    items = [{"outcome": item["outcome"], "codes": _codes(item["findings"])} for item in body["items"]]
    return {"package": _codes(body["findings"]), "items": items}


def _codes(findings: Sequence[Mapping[str, str]]) -> list[str]:
    return sorted({finding["code"] for finding in findings})


def differences(
    expected: Mapping[str, Any], answered: Mapping[str, Any], *, is_timeless: bool = False
) -> list[str]:
    """Say what differs, one line for each place; nothing where nothing does."""
    told = {key: value for key, value in expected.items() if key not in {"time", "outer"}}
    wanted, found = (_timeless(told), _timeless(answered)) if is_timeless else (told, answered)
    return [
        f"{key}: expected {wanted.get(key)}, answered {found.get(key)}"
        for key in sorted({*wanted, *found})
        if wanted.get(key) != found.get(key)
    ]


def _timeless(told: Mapping[str, Any]) -> Mapping[str, Any]:
    items = [
        {**item, "codes": [code for code in item["codes"] if not code.startswith(TIMELINESS)]}
        for item in told.get("items", ())
    ]
    return {**told, "items": items}


async def play(folder: Path, http: httpx.AsyncClient, *, is_timeless: bool = False) -> list[str]:
    """Send one case with a client that is signed in; give the differences."""
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    request = request_of(folder, expected["outer"])
    answer = await http.post("/api/v1/validations", **request)
    while answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
        await asyncio.sleep(int(answer.headers["Retry-After"]))
        answer = await http.post("/api/v1/validations", **request)
    return differences(expected, read_answer(answer), is_timeless=is_timeless)


async def sign_in(http: httpx.AsyncClient, credentials: Mapping[str, str]) -> None:
    """Get a token as the kit's client, and carry it from now on."""
    answer = await http.post(
        "/oauth2/token",
        data={"grant_type": "client_credentials"},
        auth=(credentials["client_id"], credentials["client_secret"]),
    )
    answer.raise_for_status()
    http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"


async def _run(arguments: argparse.Namespace, credentials: Mapping[str, str]) -> int:
    failed = 0
    async with httpx.AsyncClient(base_url=arguments.base_url, timeout=60) as http:
        await sign_in(http, credentials)
        for folder in cases(arguments.case):
            found = await play(folder, http, is_timeless=arguments.ignore_timeliness)
            failed += bool(found)
            sys.stdout.write(f"{'FAILED' if found else 'ok    '} {folder.name}\n")
            sys.stdout.writelines(f"       {line}\n" for line in found)
    return 1 if failed else 0


def main() -> int:
    """Read the command line and play."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--base-url", required=True, help="where the service is")
    parser.add_argument("--credentials", required=True, help="JSON file with client_id and client_secret")
    parser.add_argument(
        "--ignore-timeliness", action="store_true", help="for a service whose clock is not the cases'"
    )
    parser.add_argument("case", nargs="*", help="only these folders")
    arguments = parser.parse_args()
    credentials = json.loads(Path(arguments.credentials).read_text("utf-8"))
    return asyncio.run(_run(arguments, credentials))


if __name__ == "__main__":
    sys.exit(main())
