"""The qualified names of format 1.0 that code asks for; nothing outside this folder knows them."""

from typing import Final

NAMESPACE: Final = "urn:hocba:1.0"


def qualified(local: str) -> str:
    """Give the name with the format's namespace, as lxml writes it."""
    return f"{{{NAMESPACE}}}{local}"


CONTENT: Final = qualified("NoiDung")
RECORD_CODE: Final = qualified("MaTraCuu")
SIGNATURES: Final = qualified("DanhSachChuKy")
PRIMARY: Final = qualified("TieuHoc")
SECONDARY: Final = qualified("TrungHoc")
SUBJECT: Final = qualified("MonHoc")
TEACHER: Final = qualified("GiaoVien")
