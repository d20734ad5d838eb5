import itertools
from enum import StrEnum

import pytest

from app.lifecycle import IllegalTransition, Lifecycle
from app.verify.certificates.standing import CERTIFICATE_LIFECYCLE, CertificateState


class Light(StrEnum):
    RED = "red"
    GREEN = "green"
    BROKEN = "broken"


LIGHT = Lifecycle(
    states=Light,
    initial=Light.RED,
    moves={
        Light.RED: frozenset({Light.GREEN, Light.BROKEN}),
        Light.GREEN: frozenset({Light.RED}),
        Light.BROKEN: frozenset(),
    },
)
LEGAL = {(Light.RED, Light.GREEN), (Light.RED, Light.BROKEN), (Light.GREEN, Light.RED)}
LEGAL_FOR_CERTIFICATES = {
    ("pending", "approved"),
    ("pending", "rejected"),
    ("approved", "suspended"),
    ("approved", "revoked"),
    ("suspended", "approved"),
    ("suspended", "revoked"),
}


@pytest.mark.parametrize(("current", "target"), [*itertools.product(Light, Light)])
def test_a_move_is_in_the_table_or_refused(current: Light, target: Light) -> None:
    if (current, target) in LEGAL:
        LIGHT.check(current, target)
        assert LIGHT.may_become(current, target)
        return
    with pytest.raises(IllegalTransition) as caught:
        LIGHT.check(current, target)
    assert (caught.value.current, caught.value.target) == (current, target)
    assert not LIGHT.may_become(current, target)


@pytest.mark.parametrize(("current", "target"), [*itertools.product(CertificateState, CertificateState)])
def test_a_certificates_moves(current: CertificateState, target: CertificateState) -> None:
    assert CERTIFICATE_LIFECYCLE.may_become(current, target) is ((current, target) in LEGAL_FOR_CERTIFICATES)


def test_a_table_knows_its_ends_and_ways() -> None:
    assert LIGHT.terminal == {Light.BROKEN}
    assert LIGHT.sources(Light.RED) == {Light.GREEN}
    assert CERTIFICATE_LIFECYCLE.terminal == {CertificateState.REJECTED, CertificateState.REVOKED}


def test_a_state_without_a_row_is_refused() -> None:
    with pytest.raises(ValueError, match="no row for broken"):
        Lifecycle(
            states=Light, initial=Light.RED, moves={Light.RED: frozenset(Light), Light.GREEN: frozenset()}
        )


def test_a_state_that_is_never_reached_is_refused() -> None:
    with pytest.raises(ValueError, match="never reached"):
        Lifecycle(states=Light, initial=Light.RED, moves=dict.fromkeys(Light, frozenset({Light.GREEN})))
