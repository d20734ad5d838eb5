import pytest

from app.formats.profile import NamedPerson, SignerRole
from app.verify.naming import Naming, compare_subject
from tests.builders.pki import infrastructure, issue, private_key


def compared(
    common_name: str,
    full_name: str,
    *,
    identity: str | None = None,
    user_id: str | None = None,
    serial_number: str | None = None,
) -> Naming:
    holder = issue(
        common_name,
        private_key("p256", 71),
        infrastructure().authority,
        user_id=user_id,
        serial_number=serial_number,
    )
    person = NamedPerson(role=SignerRole.CLASS_TEACHER, full_name=full_name, identity_number=identity)
    return compare_subject(holder.certificate, person)


@pytest.mark.parametrize(
    ("common_name", "full_name"),
    [
        ("Trần Văn Đức", "Trần Văn Đức"),
        ("TRẦN VĂN ĐỨC", "Trần Văn Đức"),
        ("Tra\u0302\u0300n Va\u0306n \u0110u\u031b\u0301c", "Trần Văn Đức"),
        ("Trần  Văn\u00a0Đức", "Trần Văn Đức"),
        ("GV Trần Văn Đức - THCS Số 1", "Trần Văn Đức"),
        ("H'Blơm Niê", "H'Blơm Niê"),
    ],
)
def test_the_common_name_holds_the_full_name(common_name: str, full_name: str) -> None:
    assert compared(common_name, full_name) is Naming.SAME


@pytest.mark.parametrize(
    ("common_name", "full_name"),
    [
        ("Trần Văn Đúc", "Trần Văn Đức"),
        ("Tran Van Duc", "Trần Văn Đức"),
        ("Lê Anh", "Lê An"),
        ("Lê An", "Lê Anh"),
        ("Văn Đức Trần", "Trần Văn Đức"),
        ("Trần Thị Văn Đức", "Trần Văn Đức"),
        ("Trần Văn Đức", " "),
    ],
)
def test_another_name_is_another_person(common_name: str, full_name: str) -> None:
    assert compared(common_name, full_name) is Naming.OTHER_NAME


@pytest.mark.parametrize("text", ["066085000003", "CCCD:066085000003", "CCCD: 066085000003 "])
@pytest.mark.parametrize("attribute", ["user_id", "serial_number"])
def test_the_identity_number_decides_where_both_have_one(attribute: str, text: str) -> None:
    def of(identity: str | None) -> Naming:
        if attribute == "user_id":
            return compared("Ai khác", "Trần Văn Đức", identity=identity, user_id=text)
        return compared("Ai khác", "Trần Văn Đức", identity=identity, serial_number=text)

    assert of("066085000003") is Naming.SAME
    assert of("066085000004") is Naming.OTHER_IDENTITY
    assert of(None) is Naming.OTHER_NAME


def test_other_numbers_are_no_identity_numbers() -> None:
    assert (
        compared("Trần Văn Đức", "Trần Văn Đức", identity="066085000003", user_id="MST:0100109106")
        is Naming.SAME
    )
    assert (
        compared("Trần Văn Đức", "Trần Văn Đức", identity="066085000003", serial_number="1066085000003")
        is Naming.SAME
    )
