"""Starting where something stands in the way."""

import os
import socket
import subprocess
import sys
from pathlib import Path


def test_an_address_that_is_taken_is_told_in_a_sentence(database_url: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "app", "serve", "--port", str(port), "--data-dir", str(tmp_path)],
            env={**os.environ, "HOCBA_DATABASE_URL": database_url},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert f"Cannot listen on 127.0.0.1:{port} (Address already in use)" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_data_folder_that_cannot_be_made_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "data"
    done = subprocess.run(
        [sys.executable, "-m", "app", "serve", "--data-dir", str(folder)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert f"Cannot write to {folder}: Not a directory" in done.stderr
    assert "HOCBA_DATA_DIR" in done.stderr
