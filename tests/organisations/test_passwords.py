"""Passwords and secrets."""

import unicodedata

import pytest

from app.errors import DomainError
from app.organisations.passwords import hash_password, hash_secret, is_password, is_secret, make_secret

PASSWORD = "một mật khẩu đủ dài"


def test_a_password_is_kept_as_argon2id_and_found_again() -> None:
    stored = hash_password(PASSWORD)
    assert stored.startswith("$argon2id$")
    assert is_password(stored, PASSWORD)
    assert is_password(stored, unicodedata.normalize("NFD", PASSWORD))
    assert not is_password(stored, PASSWORD + " ")


def test_an_unknown_account_costs_work_and_never_fits() -> None:
    assert not is_password(None, PASSWORD)
    assert not is_password("not a hash", PASSWORD)


@pytest.mark.parametrize("password", ["ngắn", "x" * 257])
def test_unacceptable_passwords_are_refused(password: str) -> None:
    with pytest.raises(DomainError, match="QH-052"):
        hash_password(password)


def test_secrets_are_long_random_and_kept_as_digests() -> None:
    secret = make_secret()
    assert len(secret) >= 43
    assert secret != make_secret()
    stored = hash_secret(secret)
    assert secret not in stored
    assert is_secret(stored, secret)
    assert not is_secret(stored, secret[:-1])
    assert not is_secret(None, "")
    assert not is_secret(None, secret)
