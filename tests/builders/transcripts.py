"""Valid transcripts of all four levels and packages of them, as text: a test changes what it is about.

The signatures are well-formed and signed by nobody: whoever needs real ones signs the documents made here.
"""

import gzip
from base64 import b64encode
from collections.abc import Iterable

SCHOOL_CODE = "66THCS001"
SCHOOL_YEAR = "2025-2026"
PACKAGE_ID = "0" * 31 + "1"
SIGNATURE = (
    '<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo>'
    '<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>'
    '<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/>'
    '<ds:Reference URI="#{content_id}">'
    '<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/>'
    "<ds:DigestValue>AAAA</ds:DigestValue></ds:Reference></ds:SignedInfo>"
    "<ds:SignatureValue>AAAA</ds:SignatureValue></ds:Signature>"
)
_CIRCULARS = {"02": "27/2020", "03": "22/2021", "04": "22/2021", "05": "43/2021"}
_GRADES = {"02": 4, "03": 7, "04": 11, "05": 10}

_PRIMARY_SUBJECTS = (
    ("01", "Toán", "T", "9"),
    ("02", "Tiếng Việt", "T", "9"),
    ("03", "Đạo đức", "T", None),
    ("11", "Ngoại ngữ 1", "T", "9"),
    ("05", "Lịch sử và Địa lí", "T", "8"),
    ("13", "Khoa học", "T", "9"),
    ("12", "Tin học", "T", "9"),
    ("87", "Công nghệ", "T", "9"),
    ("88", "Giáo dục thể chất", "T", None),
    ("89", "Âm nhạc", "T", None),
    ("90", "Mĩ thuật", "T", None),
    ("91", "Hoạt động trải nghiệm", "T", None),
)
_COMPETENCES = (
    *("TuChu", "GiaoTiep", "GiaiQuyet", "NgonNgu", "TinhToan"),
    *("KhoaHoc", "CongNghe", "TinHoc", "ThamMi", "TheChat"),
)
_SECONDARY_SUBJECTS = {
    "03": (
        ("19", "Ngữ văn", "7.0", "7.5", "7.3"),
        ("15", "Toán", "8.0", "8.6", "8.4"),
        ("69", "Ngoại ngữ 1", "8.2", "8.2", "8.2"),
        ("26", "Giáo dục công dân", "8.0", "9.0", "8.7"),
        ("05", "Lịch sử và Địa lí", "7.0", "7.0", "7.0"),
        ("66", "Khoa học tự nhiên", "8.0", "8.0", "8.0"),
        ("27", "Công nghệ", "9.0", "9.0", "9.0"),
        ("32", "Tin học", "9.0", "8.0", "8.3"),
        ("88", "Giáo dục thể chất", "D", "D", "D"),
        ("97", "Nghệ thuật", "D", "D", "D"),
        ("91", "Hoạt động trải nghiệm, hướng nghiệp", "D", "D", "D"),
        ("99", "Nội dung giáo dục địa phương", "D", "D", "D"),
    ),
    "04": (
        ("19", "Ngữ văn", "7.0", "7.5", "7.3"),
        ("15", "Toán", "8.0", "8.6", "8.4"),
        ("69", "Ngoại ngữ 1", "8.2", "8.2", "8.2"),
        ("40", "Lịch sử", "8.0", "9.0", "8.7"),
        ("35", "Vật lí", "8.0", "8.0", "8.0"),
        ("36", "Hóa học", "9.0", "9.0", "9.0"),
        ("37", "Sinh học", "9.0", "8.0", "8.3"),
        ("47", "Giáo dục quốc phòng và an ninh", "8.0", "8.0", "8.0"),
        ("88", "Giáo dục thể chất", "D", "D", "D"),
        ("91", "Hoạt động trải nghiệm, hướng nghiệp", "D", "D", "D"),
    ),
    "05": (
        ("19", "Ngữ văn", "7.0", "7.5", "7.3"),
        ("15", "Toán", "8.0", "8.6", "8.4"),
        ("40", "Lịch sử", "8.2", "8.2", "8.2"),
        ("41", "Địa lí", "8.0", "9.0", "8.7"),
        ("35", "Vật lí", "8.0", "8.0", "8.0"),
        ("36", "Hóa học", "9.0", "9.0", "9.0"),
    ),
}


def record_id(number: int) -> str:
    """Give the fixed identifier of the test transcript with this number."""
    return f"{0xABC0_0000_0000 + number:032x}"


def transcript(
    level: str = "03",
    *,
    number: int = 1,
    grade: int | None = None,
    circular: str | None = None,
    school_year: str = SCHOOL_YEAR,
    signature: str = SIGNATURE,
) -> str:
    """Write one valid ``HocBa`` of the level, without an XML declaration and in the default namespace."""
    grade = _GRADES[level] if grade is None else grade
    result = _primary_result(grade) if level == "02" else _secondary_result(level)
    identifier = record_id(number)
    started = int(school_year[:4]) - grade - 5
    return f"""<HocBa>
<NoiDung Id="hb-{identifier}">
<MaTraCuu>{identifier}</MaTraCuu>
<ThongTu>{circular or _CIRCULARS[level]}</ThongTu>
<CapHoc>{level}</CapHoc>
<NamHoc>{school_year}</NamHoc>
<MaSo>66</MaSo>
<MaTruong>{SCHOOL_CODE}</MaTruong>
<TenTruong>Trường thử nghiệm số 1</TenTruong>
<DiaChi><MaTinh>66</MaTinh><MaXa>24133</MaXa></DiaChi>
<Khoi>{grade:02}</Khoi>
<Lop>{grade}A1</Lop>
<HocSinh>
<MaHocSinh>66{number:08}</MaHocSinh>
<SoDinhDanh>0663{started % 100:02}{number:06}</SoDinhDanh>
<HoTen>Nguyễn Thị Ánh</HoTen>
<NgaySinh>05/09/{started}</NgaySinh>
<GioiTinh>2</GioiTinh>
<DanToc>01</DanToc>
<QuocTich>VN</QuocTich>
<NoiSinh>Đắk Lắk</NoiSinh>
</HocSinh>
<KetQua>{result}</KetQua>
<XacNhan>
<HoanThanhLop>true</HoanThanhLop>
<DuocLenLop>true</DuocLenLop>
<GVCN><HoTen>H'Blơm Niê</HoTen><SoDinhDanh>066190000001</SoDinhDanh></GVCN>
<ThuTruong>
<HoTen>Y Bhăm Êban</HoTen><SoDinhDanh>066080000002</SoDinhDanh><ChucVu>Hiệu trưởng</ChucVu></ThuTruong>
<NoiPhatHanh>Đắk Lắk</NoiPhatHanh>
<NgayPhatHanh>{school_year[5:]}-05-30</NgayPhatHanh>
</XacNhan>
</NoiDung>
<DanhSachChuKy>
<ChuKy vaiTro="NHA_TRUONG">{signature.format(content_id="hb-" + identifier)}</ChuKy>
</DanhSachChuKy>
</HocBa>"""


def _primary_result(grade: int) -> str:
    subjects = "".join(
        f"<MonHoc><Ma>{code}</Ma><Ten>{name}</Ten><MucDat>{level}</MucDat>"
        + (f"<DiemKiemTra>{mark}</DiemKiemTra>" if mark else "")
        + "</MonHoc>"
        for code, name, level, mark in _PRIMARY_SUBJECTS
        if grade > 2 or code not in {"12", "87"}
    )
    qualities = "".join(
        f"<{name}>T</{name}>" for name in ("YeuNuoc", "NhanAi", "ChamChi", "TrungThuc", "TrachNhiem")
    )
    competences = "".join(
        f"<{name}>T</{name}>" for name in _COMPETENCES if grade > 2 or name not in {"CongNghe", "TinHoc"}
    )
    return (
        f"<TieuHoc>\n{subjects}\n<PhamChat>{qualities}</PhamChat>\n<NangLuc>{competences}</NangLuc>\n"
        "<NhanXet><GVCN>Em chăm học, hòa đồng với bạn.</GVCN></NhanXet>\n"
        "<SucKhoe><ChieuCao>132.5</ChieuCao><CanNang>28</CanNang></SucKhoe>\n"
        "<ChuyenCan><CoPhep>2</CoPhep><KhongPhep>0</KhongPhep></ChuyenCan>\n<XepLoai>HTT</XepLoai></TieuHoc>"
    )


def _secondary_result(level: str) -> str:
    subjects = "".join(
        f'<MonHoc Id="mon-{code}"><Ma>{code}</Ma><Ten>{name}</Ten><HocKy1>{first}</HocKy1>'
        f"<HocKy2>{second}</HocKy2><CaNam>{year}</CaNam>"
        "<GiaoVien><HoTen>Trần Văn Đức</HoTen><SoDinhDanh>066085000003</SoDinhDanh></GiaoVien></MonHoc>\n"
        for code, name, first, second, year in _SECONDARY_SUBJECTS[level]
    )
    return (
        f"<TrungHoc>\n{subjects}<HocTap><HocKy1>T</HocKy1><HocKy2>T</HocKy2><CaNam>T</CaNam></HocTap>\n"
        "<RenLuyen><HocKy1>T</HocKy1><HocKy2>T</HocKy2><CaNam>T</CaNam></RenLuyen>\n"
        "<SoBuoiNghi>3</SoBuoiNghi>\n<NhanXetGVCN>Có ý thức học tập tốt.</NhanXetGVCN></TrungHoc>"
    )


def package(
    transcripts: Iterable[str],
    *,
    package_id: str = PACKAGE_ID,
    school_code: str = SCHOOL_CODE,
    school_year: str = SCHOOL_YEAR,
    count: int | None = None,
) -> bytes:
    """Write a package of these transcripts, as unpacked XML."""
    items = list(transcripts)
    body = "\n".join(items)
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<GoiHocBa xmlns="urn:hocba:1.0" phienBan="1.0">
<ThongTinChung>
<MaGoi>{package_id}</MaGoi>
<MaTruong>{school_code}</MaTruong>
<NamHoc>{school_year}</NamHoc>
<ThoiDiemLap>2026-05-30T08:30:00+07:00</ThoiDiemLap>
<PhanMem ten="Phần mềm thử" phienBan="2.1"/>
<SoLuong>{len(items) if count is None else count}</SoLuong>
</ThongTinChung>
{body}
</GoiHocBa>
""".encode()


def standing_alone(item: str) -> bytes:
    """Give a transcript as it stands once it is taken out of its package."""
    return item.replace("<HocBa", '<HocBa xmlns="urn:hocba:1.0"', 1).encode()


def payload(xml: bytes) -> str:
    """Pack unpacked XML as the wire carries it."""
    return b64encode(gzip.compress(xml, mtime=0)).decode()
