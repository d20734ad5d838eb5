"""Who may decide a request: the rule itself."""

from datetime import date
from uuid import UUID

import pytest

from app.actors import Officer, Role
from app.approvals import DECIDING_ROLE, Request, objection, require_reason
from app.errors import DomainError
from app.organisations.kinds import Organisation, OrganisationKind

SCHOOL = 7


def officer(role: Role, organisation_id: int) -> Officer:
    return Officer(account_id=UUID(int=5), username="x", role=role, organisation_id=organisation_id)


def authority(kind: OrganisationKind, organisation_id: int) -> Organisation:
    return Organisation(
        id=organisation_id,
        code="24133",
        kind=kind,
        name="x",
        parent_id=1,
        province_code="66",
        levels=(),
        is_public=True,
        valid_from=date(2025, 7, 1),
        valid_to=None,
    )


COMMUNE = authority(OrganisationKind.COMMUNE, 4)
DEPARTMENT = authority(OrganisationKind.DEPARTMENT, 2)
ASKED = Request(school_id=SCHOOL, requested_by="somebody")


@pytest.mark.parametrize(
    ("acting", "competent", "outcome"),
    [
        (officer(Role.COMMUNE_OFFICER, 4), COMMUNE, None),
        (officer(Role.DEPARTMENT_OFFICER, 2), DEPARTMENT, None),
        (officer(Role.COMMUNE_OFFICER, 5), COMMUNE, "QH-021"),
        (officer(Role.DEPARTMENT_OFFICER, 2), COMMUNE, "QH-021"),
        (officer(Role.COMMUNE_OFFICER, 2), DEPARTMENT, "QH-021"),
        (officer(Role.COMMUNE_OFFICER, 4), None, "QH-021"),
        (officer(Role.COMMUNE_OFFICER, SCHOOL), COMMUNE, "QH-022"),
    ],
)
def test_the_managing_authority_alone_decides(
    acting: Officer, competent: Organisation | None, outcome: str | None
) -> None:
    assert objection(acting, ASKED, competent) == outcome


@pytest.mark.parametrize("role", sorted(set(Role) - set(DECIDING_ROLE.values())))
def test_no_other_role_decides_even_within_the_authority(role: Role) -> None:
    for competent in (COMMUNE, DEPARTMENT):
        assert objection(officer(role, competent.id), ASKED, competent) == "QH-021"


def test_nobody_decides_their_own_request() -> None:
    acting = officer(Role.COMMUNE_OFFICER, 4)
    assert objection(acting, Request(school_id=SCHOOL, requested_by=acting.id), COMMUNE) == "QH-022"


@pytest.mark.parametrize("reason", [None, "", "  \n "])
def test_a_refusal_says_why(reason: str | None) -> None:
    with pytest.raises(DomainError) as refused:
        require_reason(reason, action="reject")
    assert (refused.value.code, refused.value.facts) == ("QH-023", {"action": "reject"})
    assert require_reason(" Sai tên ", action="reject") == "Sai tên"
