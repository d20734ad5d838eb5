"""What is told of each wrong field of a request."""

from typing import Any, get_args

import pytest
from pydantic import TypeAdapter, ValidationError
from pydantic_core.core_schema import ErrorType

from app.api.texts import Moment, SchoolYearText, UuidText
from app.api.wrong_fields import MAX_ERRORS, UNLISTED, WORDS, wrong_fields
from tests.api.conftest import Api


def test_every_kind_that_has_words_is_one_of_pydantics() -> None:
    assert set(WORDS) - {"unreadable"} <= set(get_args(ErrorType))


@pytest.mark.parametrize(
    ("form", "value", "why", "why_en"),
    [
        (UuidText, "x", "Phải là UUID 32 hoặc 36 ký tự.", "Not a UUID of 32 or 36 characters."),
        (SchoolYearText, "2025-2027", "Phải là hai năm liên tiếp, từ 2000 đến 2101.", None),
        (SchoolYearText, "２０２５-２０２６", "Phải đúng mẫu ^[0-9]{4}-[0-9]{4}$.", None),
        (Moment, "2026-01-01T00:00:00", "Thời điểm phải có múi giờ, ví dụ 2026-06-30T23:59:59+07:00.", None),
    ],
)
def test_a_wrong_value_is_told_in_both_languages(form: Any, value: str, why: str, why_en: str | None) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(form).validate_python(value)
    (told,) = wrong_fields(caught.value.errors())
    assert told["why"] == why
    assert value not in told["why"] + told["why_en"]
    assert told["why_en"] == why_en or (why_en is None and told["why_en"])


def test_an_unforeseen_kind_is_told_too_and_no_more_than_so_many() -> None:
    error = {"type": "callable_type", "loc": ("body", "a" * 500), "msg": "Input should be callable"}
    told = wrong_fields([error] * (MAX_ERRORS + 1))
    assert len(told) == MAX_ERRORS
    assert told[0]["why"] == UNLISTED
    assert len(told[0]["where"]) < 80


@pytest.mark.parametrize(
    ("query", "where"),
    [("since=2026-01-01T00:00:00", "query/since"), ("since=x", "query/since"), ("limit=0", "query/limit")],
)
async def test_a_wrong_filter_of_the_feed_is_named(api: Api, query: str, where: str) -> None:
    answer = await api.call("vendor", "GET", f"/api/v1/packages?{query}")
    assert answer.status_code == 422
    assert [error["where"] for error in answer.json()["errors"]] == [where]
