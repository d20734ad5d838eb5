"""Paths from certificates to trust anchors under the policy in force, and why there is none."""

from datetime import datetime

from cryptography import x509

from app.findings import Finding
from app.verify.chain import OwnerClass, PathVerdict, TrustAnchor, TrustList, build_path
from app.verify.policy import ACCEPTANCE
from app.verify.verdict import Indication
from tests.builders.pki import SIGNED_AT, Holder, infrastructure


def trust(*anchors: Holder, intermediates: tuple[x509.Certificate, ...] = ()) -> TrustList:
    return TrustList(
        version="trust-test",
        anchors=tuple(
            TrustAnchor(certificate=anchor.certificate, owner_class=OwnerClass.PUBLIC_SECTOR)
            for anchor in anchors
        ),
        intermediates=intermediates,
    )


def path(leaf: Holder, anchors: TrustList | None = None, at: datetime = SIGNED_AT) -> PathVerdict:
    return build_path(leaf.certificate, leaf.issuers, anchors or trust(infrastructure().root), ACCEPTANCE, at)


def refusal(leaf: Holder, anchors: TrustList | None = None, at: datetime = SIGNED_AT) -> Finding:
    verdict = path(leaf, anchors, at)
    assert verdict.indication is Indication.FAILED
    assert verdict.chain == ()
    assert verdict.owner_class is None
    assert verdict.finding is not None
    assert verdict.finding.message_en
    return verdict.finding
