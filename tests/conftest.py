"""What every test may ask for: one real PostgreSQL a session, one fresh database a test."""

import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import insert

import app
from app.db import open_engine, sandbox
from app.postgres import EmbeddedPostgres
from app.postgres.databases import create_database, drop_database
from app.schema import upgrade_schema
from tests.builders.world import World, running_world

_numbers = itertools.count(1)
# Making a database is making some 1,500 files: in memory that takes an eighth of the time.
_MEMORY = Path("/dev/shm")
_ROOM = 4 * 1024**3


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A server for this session (one for each worker of pytest-xdist); nothing in it outlives the session."""
    home = Path(tempfile.mkdtemp(prefix="hocba-test-", dir=_folder_in_memory()))
    home.chmod(0o711)
    server = EmbeddedPostgres(home / "postgres", durable=False, settings={"max_wal_size": "512MB"})
    try:
        with server:
            yield server
        # Where the temporary folder is closed to the server's account, the data lies elsewhere.
        shutil.rmtree(server.folder)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _folder_in_memory() -> Path | None:
    """Where files stay in memory, if the machine has such a place with room in it; None: the usual one."""
    is_usable = _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) and os.access(_MEMORY, os.X_OK)
    return _MEMORY if is_usable and shutil.disk_usage(_MEMORY).free >= _ROOM else None


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def template_database(postgres: EmbeddedPostgres) -> str:
    """The name of a database with the whole schema and nobody connected to it, to be copied."""
    return await build_template(postgres)


async def build_template(server: EmbeddedPostgres) -> str:
    """Build the database that every test's own is a copy of, and give its name."""
    await create_database(server.dsn("postgres"), "template_hocba")
    url = server.sqlalchemy_url("template_hocba")
    await upgrade_schema(url)
    # Tests hand the time in, to the database too: only a declared sandbox takes it.
    engine = open_engine(url, pool_size=1, as_service=False)
    async with engine.begin() as connection:
        await connection.execute(insert(sandbox))
    await engine.dispose()
    return "template_hocba"


@pytest_asyncio.fixture(loop_scope="session")
async def database_url(postgres: EmbeddedPostgres, template_database: str) -> AsyncIterator[str]:
    """The SQLAlchemy URL (asyncpg, as owner) of a fresh database, dropped after the test."""
    name = f"test_{next(_numbers)}"
    await create_database(postgres.dsn("postgres"), name, template=template_database)
    yield postgres.sqlalchemy_url(name)
    await drop_database(postgres.dsn("postgres"), name)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder with a short name that every account may pass through (pytest's own folders are closed)."""
    folder = Path(tempfile.mkdtemp(prefix="hb-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def spawn() -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Start Python programs that may import app; each is given the arguments as sys.argv[1:]."""
    started: list[subprocess.Popen[str]] = []

    def start(script: str, *arguments: str | Path) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-c", script, *map(str, arguments)],
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join((str(Path(app.__file__).parents[1]), *sys.path)),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest_asyncio.fixture(loop_scope="session")
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """The service with the demo province founded in it: organisations, accounts, clients, trust list."""
    async with running_world(database_url, tmp_path) as running:
        yield running
