from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.settings import Settings


@pytest.fixture(autouse=True)
def _no_environment_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"HOCBA_{name.upper()}", raising=False)


def test_without_any_setting_everything_lies_in_one_folder() -> None:
    settings = Settings()
    assert settings.database_url is None
    assert settings.keys == Path(".hocba/keys")
    assert settings.address == "http://127.0.0.1:8000"
    assert settings.lease == timedelta(seconds=20)


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOCBA_KEY_DIR", "/srv/keys")
    monkeypatch.setenv("HOCBA_BASE_URL", "https://hocba.example.vn/")
    monkeypatch.setenv("HOCBA_DATABASE_URL", "postgresql://hocba:geheim@db/hocba")
    settings = Settings()
    assert settings.keys == Path("/srv/keys")
    assert settings.address == "https://hocba.example.vn"
    assert "geheim" not in repr(settings)


def test_settings_never_change() -> None:
    with pytest.raises(ValidationError):
        setattr(Settings(), "port", 1)  # noqa: B010 - mypy knows already that it may not be assigned


@pytest.mark.parametrize(
    ("name", "value"),
    [("HOCBA_PORT", "70000"), ("HOCBA_LEASE_SECONDS", "1"), ("HOCBA_TIER", "school"), ("HOCBA_PORT", "x")],
)
def test_what_cannot_be_meant_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=name.removeprefix("HOCBA_").lower()):
        Settings()
