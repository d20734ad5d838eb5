"""A vendor at the terminal: register, sign, validate, send, keep and verify receipts, over real HTTP."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest_asyncio
import uvicorn

from app.actors import System
from app.client.packaging import pack
from app.db import transaction
from app.demo.credentials import Login, draw_logins, write_credentials, write_files
from app.demo.mistakes import changed_after_signing
from app.demo.province import School
from app.demo.transcripts import compose_school, package_of
from app.organisations.clients import create_client
from tests.builders.world import SIGNED, World


@dataclass(kw_only=True)
class Terminal:
    """The service behind a port, its credentials file, and a way to run commands against it."""

    world: World
    folder: Path
    base_url: str

    async def run(self, *arguments: str | Path) -> tuple[int, str]:
        """Run ``hocba`` as a program; gives its exit code and what it printed."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            "from app.cli import main; main()",
            *map(str, arguments),
            cwd=Path(__file__).parents[2],
            env={"HOCBA_CREDENTIALS": str(self.folder / "credentials.json"), "PYTHONUTF8": "1"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        printed, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, printed.decode()

    async def run_json(self, *arguments: str | Path) -> tuple[int, dict[str, Any]]:
        """Run a command with ``--json``."""
        code, printed = await self.run(*arguments, "--json")
        return code, json.loads(printed[printed.index("{") :])

    @property
    def school(self) -> School:
        """The lower secondary school."""
        return self.world.school("03")

    def pem(self, name: str) -> tuple[Path, Path]:
        """A certificate of the school with its key."""
        folder = self.folder / "pki" / self.school.code
        return folder / f"{name}.pem", folder / f"{name}.key"


@pytest_asyncio.fixture(loop_scope="session")
async def terminal(world: World, tmp_path: Path) -> AsyncIterator[Terminal]:
    server = uvicorn.Server(uvicorn.Config(world.app, port=0, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - ASYNC110: uvicorn says so by a flag alone
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    files = write_files(tmp_path, world.province, signed_at=SIGNED)
    clients = {}
    for software in world.province.software:
        async with transaction(world.service.engine) as connection:
            made, secret = await create_client(
                connection,
                name=software.client_id,
                client_id=f"{software.client_id}.terminal",
                school_codes=software.schools,
                now=world.clock(),
                actor=System(),
            )
        clients[software.client_id] = Login(name=made.client_id, secret=secret)
    base_url = f"http://127.0.0.1:{port}"
    write_credentials(
        tmp_path,
        world.province,
        files,
        base_url=base_url,
        administrator=Login(name="quantri", secret="-"),
        officers=draw_logins([item.username for item in world.province.officers]),
        clients=clients,
    )
    yield Terminal(world=world, folder=tmp_path, base_url=base_url)
    server.should_exit = True
    await serving


async def register(terminal: Terminal, name: str, role: str) -> None:
    certificate, key = terminal.pem(name)
    code, body = await terminal.run_json(
        "register-certificate", certificate, "--key", key, "--school", terminal.school.code, "--role", role
    )
    assert (code, body["state"]) == (0, "pending")
    await terminal.world.approve(terminal.school, body["certificate_id"])


async def test_a_vendor_takes_a_class_from_unsigned_to_verified_receipts(terminal: Terminal) -> None:
    world, folder, school = terminal.world, terminal.folder, terminal.school
    await register(terminal, "seal", "NHA_TRUONG")
    unsigned, signed = folder / "samples/unsigned" / f"{school.code}.xml", folder / "signed.xml"
    certificate, key = terminal.pem("seal")
    code, printed = await terminal.run(
        "sign", unsigned, "--certificate", certificate, "--key", key, "--role", "NHA_TRUONG",
        "--at", SIGNED.isoformat(), "-o", signed,
    )  # fmt: skip
    assert code == 0, printed
    code, printed = await terminal.run("validate", signed)
    assert code == 0, printed
    assert "1 được nhận, 0 bị từ chối" in printed

    code, body = await terminal.run_json("send", signed, "--raw", "--receipts", folder / "kept")
    assert (code, body["status"]) == (0, "received")
    await world.work()
    code, body = await terminal.run_json("status", body["package_id"], "--receipts", folder / "kept")
    assert (code, body["accepted"]) == (0, 1)
    acknowledgement = folder / "kept" / f"{body['package_id']}.acknowledgement.jws"
    receipt = folder / "kept" / f"{body['package_id']}.0001.jws"
    jwks = f"{terminal.base_url}/.well-known/jwks.json"
    code, printed = await terminal.run("verify-receipt", acknowledgement, "--jwks", jwks, "--package", signed)
    assert code == 0, printed
    assert "Biên nhận hợp lệ" in printed
    code, told = await terminal.run_json("verify-receipt", receipt, "--jwks", jwks, "--package", unsigned)
    assert (code, told["is_valid"]) == (1, False)


async def test_a_forged_mark_is_told_with_its_reason_and_place(terminal: Terminal) -> None:
    await register(terminal, "seal", "NHA_TRUONG")
    await register(terminal, "head", "THU_TRUONG")
    composed = compose_school(terminal.world.province, terminal.school, signed_at=SIGNED)[0]
    wrong = changed_after_signing(composed, SIGNED)
    forged = terminal.folder / "forged.xml.gz"
    forged.write_bytes(
        pack(package_of(terminal.world.province, terminal.school, [wrong], created_at=SIGNED)).gzipped
    )
    code, printed = await terminal.run("validate", forged)
    assert code == 1
    assert "[KS-" in printed
    assert f"#hb-{composed.record_id.hex}" in printed
    assert "→" in printed


async def test_a_school_of_another_client_is_refused(terminal: Terminal) -> None:
    other = terminal.world.with_seal("pending")
    foreign = terminal.folder / "samples/packages" / f"{other.code}.xml"
    content = json.loads((terminal.folder / "credentials.json").read_bytes())
    client = content["clients"][0]
    code, body = await terminal.run_json(
        "send", foreign, "--client-id", client["client_id"], "--client-secret", client["client_secret"]
    )
    assert code == 4
    assert body["problem"]["code"].startswith("QH-")
