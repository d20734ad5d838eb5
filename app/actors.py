"""Who acts: a client sending for its schools, a province's instance, an officer, or the service itself."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal
from uuid import UUID


class Role(StrEnum):
    """What a caller may be; a route names the roles that may call it."""

    SCHOOL_SOFTWARE = "school_software"
    COMMUNE_OFFICER = "commune_officer"
    DEPARTMENT_OFFICER = "department_officer"
    MINISTRY_OFFICER = "ministry_officer"
    INSPECTOR = "inspector"
    ADMINISTRATOR = "administrator"
    PROVINCE_SYSTEM = "province_system"
    SECTOR_SYSTEM = "sector_system"


OFFICER_ROLES: Final = frozenset(Role) - {Role.SCHOOL_SOFTWARE, Role.PROVINCE_SYSTEM, Role.SECTOR_SYSTEM}


class Purpose(StrEnum):
    """What a sector system looks transcripts up for; what it is shown follows from there."""

    ADMISSIONS = "admissions"  # tuyển sinh
    TRANSFER = "transfer"  # chuyển trường


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitter:
    """School software (phần mềm của trường): acts for the schools that authorised it, and no others."""

    client_id: UUID
    name: str
    schools: frozenset[int]
    rate_multiplier: int = 1
    request_id: str | None = None
    kind: Literal["client"] = "client"
    role: Literal[Role.SCHOOL_SOFTWARE] = Role.SCHOOL_SOFTWARE

    @property
    def id(self) -> str:
        """How the audit log names them."""
        return self.client_id.hex


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvinceSystem:
    """A province's own instance (hệ thống của Sở): it forwards that department's snapshots, nothing else."""

    client_id: UUID
    name: str
    department_id: int
    province_code: str
    rate_multiplier: int = 1
    request_id: str | None = None
    kind: Literal["client"] = "client"
    role: Literal[Role.PROVINCE_SYSTEM] = Role.PROVINCE_SYSTEM

    @property
    def id(self) -> str:
        """How the audit log names it."""
        return self.client_id.hex


@dataclass(frozen=True, slots=True, kw_only=True)
class Officer:
    """A person with an account (cán bộ), acting for one organisation of the tree."""

    account_id: UUID
    username: str
    role: Role
    organisation_id: int
    request_id: str | None = None
    kind: Literal["officer"] = "officer"

    @property
    def id(self) -> str:
        """How the audit log names them."""
        return self.account_id.hex


@dataclass(frozen=True, slots=True, kw_only=True)
class SectorSystem:
    """A system of the sector (hệ thống ngành): looks up transcripts of schools below one organisation."""

    client_id: UUID
    name: str
    purpose: Purpose
    organisation_id: int
    rate_multiplier: int = 1
    request_id: str | None = None
    kind: Literal["client"] = "client"
    role: Literal[Role.SECTOR_SYSTEM] = Role.SECTOR_SYSTEM

    @property
    def id(self) -> str:
        """How the audit log names them."""
        return self.client_id.hex


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """The service itself, or whoever runs its command line on the machine."""

    id: str = "system"
    request_id: str | None = None
    kind: Literal["system"] = "system"


@dataclass(frozen=True, slots=True, kw_only=True)
class Anonymous:
    """Somebody who has not said who they are."""

    id: str = "-"
    request_id: str | None = None
    kind: Literal["anonymous"] = "anonymous"


Actor = Submitter | ProvinceSystem | SectorSystem | Officer | System | Anonymous
