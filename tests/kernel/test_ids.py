from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ids import hex32, parse_uuid, uuid7

VALUE = UUID("0189ab12-cdef-7abc-8def-0123456789ab")


@pytest.mark.parametrize(
    "text",
    [
        "0189ab12cdef7abc8def0123456789ab",
        "0189AB12CDEF7ABC8DEF0123456789AB",
        "0189ab12-cdef-7abc-8def-0123456789ab",
        "0189AB12-CDEF-7ABC-8DEF-0123456789ab",
    ],
)
def test_every_written_form_is_the_same_value(text: str) -> None:
    assert parse_uuid(text) == VALUE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0189ab12cdef7abc8def0123456789a",
        "0189ab12cdef7abc8def0123456789abc",
        "0189ab12-cdef7abc8def0123456789ab",
        "{0189ab12-cdef-7abc-8def-0123456789ab}",
        "urn:uuid:0189ab12-cdef-7abc-8def-0123456789ab",
        " 0189ab12cdef7abc8def0123456789ab",
        "0189ab12cdef7abc8def0123456789ab\n",
        "0189ab12cdef7abc8def0123456789ag",
        "٠189ab12cdef7abc8def0123456789ab",
    ],
)
def test_nothing_else_is_a_uuid(text: str) -> None:
    assert parse_uuid(text) is None


@given(st.uuids())
def test_what_is_written_is_read_again(value: UUID) -> None:
    assert parse_uuid(hex32(value)) == value
    assert parse_uuid(str(value).upper()) == value


@given(st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2999, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis wants bounds without zone
def test_our_own_are_version_7_and_carry_their_moment(now: datetime) -> None:
    made = uuid7(now)
    assert (made.version, made.variant) == (7, RFC_4122)
    assert abs((made.int >> 80) - now.timestamp() * 1000) < 1


def test_later_ones_sort_later() -> None:
    start = datetime(2026, 6, 30, tzinfo=UTC)
    made = [uuid7(start + timedelta(milliseconds=number)) for number in range(200)]
    assert sorted(made) == made
    assert len(set(made)) == 200


def test_two_of_one_moment_differ() -> None:
    now = datetime(2026, 6, 30, tzinfo=UTC)
    assert uuid7(now) != uuid7(now)
