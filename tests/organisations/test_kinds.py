"""The rules of the tree, without a database."""

from datetime import date

import pytest

from app.actors import Role
from app.organisations.kinds import (
    LEVELS,
    PARENTS,
    ROLE_KINDS,
    Organisation,
    OrganisationKind,
    has_form,
    managing_kind,
)


@pytest.mark.parametrize(
    ("levels", "kind"),
    [
        (("02",), OrganisationKind.COMMUNE),
        (("03",), OrganisationKind.COMMUNE),
        (("02", "03"), OrganisationKind.COMMUNE),
        (("04",), OrganisationKind.DEPARTMENT),
        (("05",), OrganisationKind.DEPARTMENT),
        (("02", "03", "04"), OrganisationKind.DEPARTMENT),
        ((), None),
        (("01",), None),
        (("02", "99"), None),
    ],
)
def test_the_highest_level_decides_who_manages(
    levels: tuple[str, ...], kind: OrganisationKind | None
) -> None:
    assert managing_kind(levels) is kind


@pytest.mark.parametrize(
    ("kind", "code", "fits"),
    [
        (OrganisationKind.DEPARTMENT, "66", True),
        (OrganisationKind.DEPARTMENT, "066", False),
        (OrganisationKind.COMMUNE, "24133", True),
        (OrganisationKind.COMMUNE, "2413", False),
        (OrganisationKind.COMMUNE, "24133\n", False),
        (OrganisationKind.COMMUNE, "٢٤١٣٣", False),
        (OrganisationKind.SCHOOL, "66A0000201", True),
        (OrganisationKind.SCHOOL, "66A-201", False),
        (OrganisationKind.SCHOOL, "6" * 21, False),
    ],
)
def test_codes_have_the_form_of_their_kind(*, kind: OrganisationKind, code: str, fits: bool) -> None:
    assert has_form(kind, code) is fits


def test_every_kind_and_role_has_its_row() -> None:
    assert set(PARENTS) == set(OrganisationKind)
    assert set(ROLE_KINDS) == set(Role)
    assert {level.code for level in LEVELS.values()} == {"02", "03", "04", "05"}


def test_an_organisation_ends_on_the_day_it_no_longer_exists() -> None:
    ended = Organisation(
        id=1,
        code="24133",
        kind=OrganisationKind.COMMUNE,
        name="x",
        parent_id=2,
        province_code="66",
        levels=(),
        is_public=True,
        valid_from=date(2025, 7, 1),
        valid_to=date(2026, 1, 1),
    )
    assert not ended.exists(date(2025, 6, 30))
    assert ended.exists(date(2025, 7, 1))
    assert ended.exists(date(2025, 12, 31))
    assert not ended.exists(date(2026, 1, 1))
