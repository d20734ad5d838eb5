"""Who may decide a request (thẩm quyền): shared by certificates and recalls.

The authority that manages the school directly on the day of the act decides, through an officer of the role
that fits it; whoever made a request, or belongs to whom made it, does not; a refusal says why.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Officer, Role
from app.errors import DomainError
from app.organisations.kinds import Organisation, OrganisationKind
from app.organisations.scope import require_in_scope
from app.organisations.tree import legal_date, managing_authority, organisation_by_id

# The role that acts for each kind of managing authority.
DECIDING_ROLE: Final[Mapping[OrganisationKind, Role]] = {
    OrganisationKind.COMMUNE: Role.COMMUNE_OFFICER,
    OrganisationKind.DEPARTMENT: Role.DEPARTMENT_OFFICER,
}

MAX_REASON_CHARACTERS: Final = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked to be decided.

    Attributes:
        school_id: the school it concerns.
        requested_by: id of the actor who made it, as the audit log names actors.
        escalated_to: the department that may decide too, because the managing authority left it unanswered.
    """

    school_id: int
    requested_by: str
    escalated_to: int | None = None


def objection(officer: Officer, request: Request, authority: Organisation | None) -> str | None:
    """Say why this officer may not decide a request: QH-021 not competent, QH-022 their own; None: may.

    Args:
        officer: who is about to decide.
        request: what they would decide.
        authority: who manages the school on the day of the act; none where nobody does.
    """
    if officer.id == request.requested_by or officer.organisation_id == request.school_id:
        return "QH-022"
    is_managing = (
        authority is not None
        and authority.id == officer.organisation_id
        and DECIDING_ROLE.get(authority.kind) is officer.role
    )
    is_asked_since = (
        request.escalated_to == officer.organisation_id and officer.role is Role.DEPARTMENT_OFFICER
    )
    return None if is_managing or is_asked_since else "QH-021"


async def require_competence(
    connection: AsyncConnection, officer: Officer, request: Request, *, now: datetime
) -> Organisation:
    """Give the school, where the officer may decide the request now.

    Refuses with QH-005 a school outside their scope, as if it did not exist, with QH-021 one that another
    authority manages directly on this day, and with QH-022 a request of their own.
    """
    on = legal_date(now)
    await require_in_scope(connection, officer, request.school_id, on)
    school = await organisation_by_id(connection, request.school_id)
    authority = await managing_authority(connection, request.school_id, on)
    match objection(officer, request, authority):
        case None:
            return school
        case "QH-021":
            raise DomainError(
                "QH-021", school_code=school.code, authority="-" if authority is None else authority.name
            )
        case code:
            raise DomainError(code)


def require_reason(reason: str | None, *, action: str) -> str:
    """Give the reason of a decision that needs one, trimmed; QH-023 where it is missing."""
    text = (reason or "").strip()
    if not text:
        raise DomainError("QH-023", action=action)
    return text
