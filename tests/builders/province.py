"""A small country for tests: two provinces, three communes, schools of both kinds, officers and clients."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Officer, Role, Submitter, System
from app.organisations.accounts import AccountDraft, create_account
from app.organisations.clients import create_client
from app.organisations.kinds import OrganisationKind
from app.organisations.tree import OrganisationDraft, create_organisation

NOW: Final = datetime(2026, 5, 29, 3, 0, tzinfo=UTC)
FOUNDED: Final = date(2025, 7, 1)

PRIMARY: Final = "66A0000201"  # commune 24133
SECONDARY: Final = "66A0000301"  # commune 24133
OTHER_PRIMARY: Final = "66B0000201"  # commune 24154
UPPER: Final = "66A0000401"  # stands in commune 24133, managed by department 66
CONTINUING: Final = "6600000501"  # directly under department 66
FOREIGN: Final = "37A0000201"  # another province

_TREE: Final = (
    ("ministry", "BGDDT", "Bộ Giáo dục và Đào tạo", None, ()),
    ("department", "66", "Sở GDĐT Đắk Lắk", "BGDDT", ()),
    ("department", "37", "Sở GDĐT Ninh Bình", "BGDDT", ()),
    ("commune", "24133", "UBND phường Tân Lập", "66", ()),
    ("commune", "24154", "UBND xã Ea Kao", "66", ()),
    ("commune", "13669", "UBND phường Hoa Lư", "37", ()),
    ("school", PRIMARY, "Trường Tiểu học Tân Lập", "24133", ("02",)),
    ("school", SECONDARY, "Trường THCS Tân Lập", "24133", ("03",)),
    ("school", OTHER_PRIMARY, "Trường Tiểu học Ea Kao", "24154", ("02",)),
    ("school", UPPER, "Trường THCS và THPT Tân Lập", "24133", ("03", "04")),
    ("school", CONTINUING, "Trung tâm GDTX tỉnh", "66", ("05",)),
    ("school", FOREIGN, "Trường Tiểu học Hoa Lư", "13669", ("02",)),
)

# Argon2id of "mật khẩu rất dài 1", made once: hashing is tested where it belongs.
PASSWORD: Final = "mật khẩu rất dài 1"


@dataclass(frozen=True, kw_only=True)
class Province:
    """What was made, by name."""

    ids: dict[str, int]
    officers: dict[str, Officer]
    clients: dict[str, Submitter]
    client_ids: dict[str, str]
    secrets: dict[str, str]


_OFFICERS: Final = (
    ("tanlap", Role.COMMUNE_OFFICER, "24133"),
    ("eakao", Role.COMMUNE_OFFICER, "24154"),
    ("hoalu", Role.COMMUNE_OFFICER, "13669"),
    ("so66", Role.DEPARTMENT_OFFICER, "66"),
    ("so66b", Role.DEPARTMENT_OFFICER, "66"),
    ("so37", Role.DEPARTMENT_OFFICER, "37"),
    ("bogddt", Role.MINISTRY_OFFICER, "BGDDT"),
    ("thanhtra66", Role.INSPECTOR, "66"),
    ("thanhtrabo", Role.INSPECTOR, "BGDDT"),
    ("quantri", Role.ADMINISTRATOR, "BGDDT"),
)
_CLIENTS: Final = (
    ("vendor", (PRIMARY, SECONDARY, UPPER, CONTINUING)),
    ("rival", (OTHER_PRIMARY, FOREIGN)),
)


async def build_province(connection: AsyncConnection, password_hash: str = "-") -> Province:
    """Make everything in the given transaction, as the product itself would."""
    actor, yesterday = System(), NOW - timedelta(days=1)
    ids: dict[str, int] = {}
    for kind, code, name, parent, levels in _TREE:
        draft = OrganisationDraft(
            kind=OrganisationKind(kind),
            code=code,
            name=name,
            parent_code=parent,
            levels=levels,
            valid_from=FOUNDED,
        )
        ids[code] = (await create_organisation(connection, draft, now=yesterday, actor=actor)).id
    officers: dict[str, Officer] = {}
    for username, role, code in _OFFICERS:
        account = await create_account(
            connection,
            AccountDraft(
                username=username,
                full_name=username,
                role=role,
                organisation_code=code,
                password_hash=password_hash,
                external_subject=f"sub-{username}",
            ),
            now=yesterday,
            actor=actor,
        )
        officers[username] = Officer(
            account_id=account.id, username=username, role=role, organisation_id=account.organisation_id
        )
    clients: dict[str, Submitter] = {}
    client_ids: dict[str, str] = {}
    secrets: dict[str, str] = {}
    for name, schools in _CLIENTS:
        made, secret = await create_client(
            connection, name=name, school_codes=schools, client_id=name, now=yesterday, actor=actor
        )
        clients[name] = Submitter(client_id=made.id, name=name, schools=made.school_ids)
        client_ids[name], secrets[name] = made.client_id, secret
    return Province(ids=ids, officers=officers, clients=clients, client_ids=client_ids, secrets=secrets)


def account_id(province: Province, username: str) -> UUID:
    """Give an officer's account."""
    return province.officers[username].account_id
