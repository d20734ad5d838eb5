"""What the demo leaves on disk for outside clients: certificates, keys, sample packages, credentials.json."""

import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from app.demo.authority import Authority, Credential
from app.demo.province import Officer, Province, School, Staff
from app.demo.transcripts import Share, compose_school, package_of, sign_composed

_PRIVATE_FILE = 0o600
_PUBLIC_FILE = 0o644
_SAMPLE_FOLDERS = {Share.UNSIGNED_SAMPLE: "unsigned", Share.SIGNED_SAMPLE: "packages"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoFiles:
    """Where the files of a province were written; every path is absolute."""

    trust_anchors: tuple[Path, ...]
    unsigned: tuple[Path, ...]
    packages: tuple[Path, ...]
    schools: Mapping[str, Path]


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A user name with its password; for school software, a client id with its secret."""

    name: str
    secret: str = field(repr=False)


def draw_logins(names: Sequence[str]) -> dict[str, Login]:
    """Draw a random password for each name."""
    return {name: Login(name=name, secret=secrets.token_urlsafe(12)) for name in names}


def write_files(data_dir: Path, province: Province, *, signed_at: datetime, seed: int = 66) -> DemoFiles:
    """Write certificates, keys (readable by the owner alone) and sample packages below a folder.

    The samples are of pupils that the demo itself does not send: they can be sent by others, once each.
    """
    pki, samples = data_dir.absolute() / "pki", data_dir.absolute() / "samples"
    anchors = tuple(path for item in province.authorities for path in _write_authority(pki, item))
    schools = {school.code: _write_school(pki, school) for school in province.schools}
    written: dict[Share, list[Path]] = {share: [] for share in _SAMPLE_FOLDERS}
    for school in province.schools:
        for share, name in _SAMPLE_FOLDERS.items():
            composed = compose_school(province, school, signed_at=signed_at, share=share, seed=seed)
            elements = [
                sign_composed(item, signed_at=signed_at) if share is Share.SIGNED_SAMPLE else item.element
                for item in composed
            ]
            if elements:
                xml = package_of(province, school, elements, created_at=signed_at, purpose=name)
                written[share].append(_write(samples / name / f"{school.code}.xml", xml))
    return DemoFiles(
        trust_anchors=anchors,
        unsigned=tuple(written[Share.UNSIGNED_SAMPLE]),
        packages=tuple(written[Share.SIGNED_SAMPLE]),
        schools=schools,
    )


def write_credentials(
    data_dir: Path,
    province: Province,
    files: DemoFiles,
    *,
    base_url: str,
    administrator: Login,
    officers: Mapping[str, Login],
    clients: Mapping[str, Login],
) -> Path:
    """Write ``credentials.json``, whole or not at all, readable by the owner alone.

    Args:
        data_dir: the demo's folder.
        province: the cast.
        files: where ``write_files`` put things.
        base_url: where the service listens.
        administrator: the first account.
        officers: by user name.
        clients: by the client id of the cast; ``name`` is the id the service knows.
    """
    content = {
        "base_url": base_url,
        "trust_anchors": [str(path) for path in files.trust_anchors],
        "service_jwks": f"{base_url}/.well-known/jwks.json",
        "administrator": {"username": administrator.name, "password": administrator.secret},
        "officers": [_officer(item, officers[item.username]) for item in province.officers],
        "clients": [
            {
                "client_id": clients[item.client_id].name,
                "client_secret": clients[item.client_id].secret,
                "schools": list(item.schools),
            }
            for item in province.software
        ],
        "schools": [_school(item, files.schools[item.code]) for item in province.schools],
        "samples": {
            "unsigned": [str(path) for path in files.unsigned],
            "packages": [str(path) for path in files.packages],
        },
    }
    text = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
    return _write(data_dir.absolute() / "credentials.json", text.encode(), mode=_PRIVATE_FILE)


def _officer(officer: Officer, login: Login) -> dict[str, str]:
    return {
        "username": login.name,
        "password": login.secret,
        "role": officer.role,
        "organisation": officer.organisation,
    }


def _school(school: School, folder: Path) -> dict[str, Any]:
    return {
        "code": school.code,
        "name": school.name,
        "level": school.level,
        "managed_by": school.managed_by,
        "seal": {**_pair(folder, "seal"), "status": school.seal_status},
        "head": {**_person(school.head), **_pair(folder, "head")},
        "teachers": [
            {**_person(teacher), **_pair(folder, f"teacher-{number}")}
            for number, teacher in enumerate(school.teachers, start=1)
        ],
    }


def _person(staff: Staff) -> dict[str, str]:
    return {"name": staff.person.full_name, "id_number": staff.person.identity_number}


def _pair(folder: Path, name: str) -> dict[str, str]:
    return {"certificate": str(folder / f"{name}.pem"), "key": str(folder / f"{name}.key")}


def _write_authority(pki: Path, authority: Authority) -> list[Path]:
    return [
        _write(
            pki / "anchors" / f"{authority.owner_class}-{name}.pem",
            credential.certificate.public_bytes(Encoding.PEM),
        )
        for name, credential in (("root", authority.root), ("issuing", authority.issuing))
    ]


def _write_school(pki: Path, school: School) -> Path:
    folder = pki / school.code
    _write_credential(folder, "seal", school.seal)
    _write_credential(folder, "head", school.head.credential)
    for number, teacher in enumerate(school.teachers, start=1):
        _write_credential(folder, f"teacher-{number}", teacher.credential)
    return folder


def _write_credential(folder: Path, name: str, credential: Credential) -> None:
    _write(folder / f"{name}.pem", credential.certificate_pem)
    _write(folder / f"{name}.key", credential.key_pem, mode=_PRIVATE_FILE)


def _write(path: Path, content: bytes, *, mode: int = _PUBLIC_FILE) -> Path:
    """Write a file under another name first, so that nobody ever reads half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    unfinished.replace(path)
    return path
