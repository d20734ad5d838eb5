import pytest

from app.errors import DomainError
from app.findings import CATALOGUE, Cause, Responsible, Severity, finding, has_errors
from app.findings.finding import MAX_VALUE_CHARACTERS


def first(severity: Severity) -> Cause:
    return next(cause for cause in CATALOGUE.values() if cause.severity is severity)


def test_a_code_outside_the_catalogue_cannot_be_found() -> None:
    with pytest.raises(KeyError):
        finding("KS-999")


def test_the_facts_fill_both_languages() -> None:
    found = finding("KS-001", xpath="/HocBa/DanhSachChuKy", line=7, found="Manifest", expected="SignedInfo")
    assert "Manifest" in found.message_vi
    assert "SignedInfo" in found.message_en
    assert found.severity is Severity.ERROR
    assert found.cause.who is Responsible.VENDOR


def test_a_missing_fact_is_our_mistake() -> None:
    with pytest.raises(KeyError):
        _ = finding("KS-001", found="Manifest").message_vi


@pytest.mark.parametrize(("length", "shown"), [(MAX_VALUE_CHARACTERS, "x"), (MAX_VALUE_CHARACTERS + 1, "…")])
def test_a_value_is_cut_to_what_finds_the_place(length: int, shown: str) -> None:
    value = finding("KS-001", value="x" * length).value
    assert value is not None
    assert len(value) == MAX_VALUE_CHARACTERS
    assert value[-1] == shown


def test_only_errors_refuse() -> None:
    error, warning = first(Severity.ERROR), first(Severity.WARNING)
    assert has_errors([finding(warning.code), finding(error.code)])
    assert not has_errors([finding(warning.code)])
    assert not has_errors([])


def test_a_domain_error_carries_its_cause_and_no_text() -> None:
    error = DomainError("QH-020", state="received")
    assert error.cause is CATALOGUE["QH-020"]
    assert (str(error), error.facts) == ("QH-020", {"state": "received"})
