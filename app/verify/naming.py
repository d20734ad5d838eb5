"""Whether a certificate names a person: for staff whose certificates need not be registered."""

import re
import unicodedata
from enum import StrEnum
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from app.formats.profile import NamedPerson

# Vietnamese CAs put "CCCD:012345678901" into UID, or the bare number into serialNumber.
_IDENTITY_ATTRIBUTES: Final = (NameOID.USER_ID, NameOID.SERIAL_NUMBER)
_IDENTITY_NUMBER: Final = re.compile(r"(?<!\d)\d{12}(?!\d)", re.ASCII)


class Naming(StrEnum):
    """How a certificate's subject and a person of the content go together."""

    SAME = "same"
    OTHER_IDENTITY = "other_identity"  # both carry an identity number, and they differ
    OTHER_NAME = "other_name"


def compare_subject(certificate: x509.Certificate, person: NamedPerson) -> Naming:
    """Hold a certificate's subject against a person whom the content names.

    The identity number (số định danh) decides where both have one; otherwise the common name has to hold
    the full name, word for word, whatever the case and however the accents are composed.
    """
    stated = _identity_numbers(certificate)
    if stated and person.identity_number is not None:
        return Naming.SAME if person.identity_number in stated else Naming.OTHER_IDENTITY
    wanted = _words(person.full_name)
    for attribute in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME):
        words = _words(str(attribute.value))
        starts = range(len(words) - len(wanted) + 1)
        if wanted and any(words[start : start + len(wanted)] == wanted for start in starts):
            return Naming.SAME
    return Naming.OTHER_NAME


@lru_cache(maxsize=4096)
def _identity_numbers(certificate: x509.Certificate) -> frozenset[str]:
    return frozenset(
        number
        for oid in _IDENTITY_ATTRIBUTES
        for attribute in certificate.subject.get_attributes_for_oid(oid)
        for number in _IDENTITY_NUMBER.findall(str(attribute.value))
    )


def _words(text: str) -> list[str]:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold()).split()
