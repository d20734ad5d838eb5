"""Which policy value holds: the most specific choice, the latest of those for one place, else the default."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.policies.policy_set import DEFINITIONS, PolicyChoice, PolicyKey, PolicySet, Value

NOW = datetime(2026, 6, 1, tzinfo=UTC)
KEY = PolicyKey.RECALL_REMINDER_DAYS


def choice(
    value: Value | None,
    *,
    province: str | None = None,
    level: str | None = None,
    school_year: int | None = None,
    valid_from: datetime = NOW,
    key: PolicyKey = KEY,
    id_: UUID | None = None,
) -> PolicyChoice:
    return PolicyChoice(
        id=id_ or uuid4(),
        key=key,
        province=province,
        level=level,
        school_year=school_year,
        value=value,
        valid_from=valid_from,
    )


def value(*choices: PolicyChoice, at: datetime = NOW) -> Value:
    return PolicySet.as_of(choices, at).value(KEY, province="66", level="03", school_year=2025)


def test_the_defaults_are_those_of_the_law() -> None:
    assert {key: definition.default for key, definition in DEFINITIONS.items()} == {
        PolicyKey.RECALL_BEFORE_LOCK: "approval",
        PolicyKey.RECALL_AFTER_LOCK: "approval_until_final",
        PolicyKey.REPLACE_BEFORE_LOCK: "direct",
        PolicyKey.TRANSFER_AUTHORITY_STEP: False,
        PolicyKey.RECALL_REMINDER_DAYS: 3,
        PolicyKey.RECALL_ESCALATION_DAYS: 7,
        PolicyKey.REVOCATION_CHECKING: "prefer",
        PolicyKey.FORWARDING_DAYS: 3,
    }


def test_the_default_holds_where_nobody_chose() -> None:
    assert value() == 3
    assert PolicySet().deciding(KEY, province="66") is None


def test_the_most_specific_choice_wins_in_whatever_order_they_were_made() -> None:
    ladder = [
        choice(10),
        choice(11, school_year=2025),
        choice(12, level="03"),
        choice(13, level="03", school_year=2025),
        choice(14, province="66"),
        choice(15, province="66", level="03", school_year=2025),
    ]
    for length in range(1, len(ladder) + 1):
        for order in list(permutations(ladder[:length]))[:24]:
            assert value(*order) == 9 + length


@pytest.mark.parametrize("elsewhere", [{"province": "37"}, {"level": "02"}, {"school_year": 2024}])
def test_a_choice_for_another_place_does_not_count(elsewhere: dict[str, object]) -> None:
    assert value(choice(20, **elsewhere)) == 3  # type: ignore[arg-type]


def test_a_later_choice_for_the_same_place_follows_and_none_takes_it_back() -> None:
    first = choice(5, province="66")
    second = choice(6, province="66", valid_from=NOW + timedelta(days=1))
    taken_back = choice(None, province="66", valid_from=NOW + timedelta(days=2))
    general = choice(4)
    made = (first, second, taken_back, general)
    assert value(*made) == 5
    assert value(*made, at=NOW + timedelta(days=1)) == 6
    assert value(*made, at=NOW + timedelta(days=1) - timedelta(microseconds=1)) == 5
    assert value(*made, at=NOW + timedelta(days=2)) == 4


@given(st.sampled_from(PolicyKey), st.one_of(st.booleans(), st.integers(), st.text(max_size=12)))
def test_only_listed_values_of_the_right_kind_are_allowed(key: PolicyKey, offered: Value) -> None:
    definition = DEFINITIONS[key]
    if definition.choices:
        expected = offered in definition.choices and isinstance(offered, type(definition.default))
    else:
        is_number = isinstance(offered, int) and not isinstance(offered, bool)
        expected = is_number and definition.minimum <= offered <= definition.maximum  # type: ignore[operator]
    assert definition.allows(offered) is expected


def test_true_is_no_number_of_days() -> None:
    assert not DEFINITIONS[KEY].allows(value=True)
    assert DEFINITIONS[KEY].allows(1)
    assert DEFINITIONS[KEY].allowed == "1-60"
    assert DEFINITIONS[PolicyKey.TRANSFER_AUTHORITY_STEP].allowed == "true, false"
