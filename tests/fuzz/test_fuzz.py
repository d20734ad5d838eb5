"""Hypothesis against decoding, splitting and judging; atheris runs the same properties for longer."""

import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.properties import (
    decoding_never_raises,
    is_acceptable,
    judged,
    nothing_forged_is_accepted,
    seeds,
    wrapping_never_lies,
)
from tests.fuzz.recipes import Recipe

RECIPES = st.binary(min_size=8, max_size=64)
PIECES = (
    "<GoiHocBa xmlns='urn:hocba:1.0' phienBan='1.0'>", "</GoiHocBa>", "<ThongTinChung>", "</ThongTinChung>",
    "<HocBa>", "</HocBa>", "<HocBa/>", "<NoiDung Id='x'>", "</NoiDung>", "<!--", "-->", "<![CDATA[", "]]>",
    "<?x?>", "<!DOCTYPE a>", "&a;", "\ufeff", "<?xml version='1.0' encoding='UTF-8'?>", " ", "x", "<a", ">",
)  # fmt: skip
MARKUP = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)
FEW = settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@FEW
@given(octets=st.binary(max_size=2000) | MARKUP.map(str.encode))
def test_decoding_never_raises(octets: bytes) -> None:
    decoding_never_raises(octets)


@FEW
@given(octets=RECIPES)
def test_a_changed_wrapping_never_lies(octets: bytes) -> None:
    wrapping_never_lies(Recipe(octets))


def test_the_packages_that_are_changed_are_sound() -> None:
    for seed in seeds():
        items = judged(seed).items
        assert items
        assert all(is_acceptable(item) for item in items)


@settings(FEW, max_examples=1000)
@given(octets=RECIPES)
def test_nothing_forged_is_accepted(octets: bytes) -> None:
    nothing_forged_is_accepted(Recipe(octets))


def test_what_is_changed_without_a_meaning_is_accepted() -> None:
    """The fuzzers would prove nothing if everything they make were refused."""
    chance = random.Random(66)
    accepted = sum(nothing_forged_is_accepted(Recipe(chance.randbytes(48))) for _ in range(700))
    assert accepted > 15
