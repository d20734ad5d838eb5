"""What is wrong before any transcript is looked at: wrappings, encodings, header, small limits."""

import base64
import json
import zlib
from collections.abc import Iterator
from typing import Any, Final

from tests.builders import transcripts
from tests.conformance.case import OUTER, REJECTED, Case, Item, refused, zipped
from tests.conformance.odd_cases import joined
from tests.conformance.signing import signed

_DOCTYPE: Final = '<!DOCTYPE GoiHocBa [<!ENTITY a "9.5">]>'
_EXTERNAL: Final = '<!DOCTYPE GoiHocBa SYSTEM "http://example.org/x.dtd">'
_DECLARED: Final = "<?xml version='1.0' encoding='UTF-8'?>"
_HEADER: Final = "<ThongTinChung>"


def decoding_cases() -> Iterator[Case]:
    """Give every case of base64, gzip, encoding and markup."""
    yield from _base64()
    yield from _gzip()
    yield from _markup()
    yield from _limits()


def whole(name: str, why: str, material: bytes, *codes: str, **rest: Any) -> Case:
    """A package that is refused as a whole."""
    return Case(name=name, why=why, material=material, package=codes, **rest)


def _base64() -> Iterator[Case]:
    payload = base64.b64encode(zipped(signed())).decode()
    yield Case(
        name="decoding-json", why="The JSON form of a sound package.",
        file="payload.b64", material=payload.encode(), items=(Item(),),
    )  # fmt: skip
    lines = "\n".join(payload[start : start + 76] for start in range(0, len(payload), 76))
    for name, why, bad in (
        ("line-breaks", "Base64 in lines of 76, as MIME has it.", lines),
        ("url-alphabet", "The URL alphabet.", payload.replace("+", "-").replace("/", "_")),
        ("no-padding", "Padding left out.", payload.rstrip("=")),
        ("trailing-bits", "The unused bits of the last group are not zero.", _odd_bits(payload)),
        ("garbage", "No base64 at all.", "Không phải base64"),
        ("space", "A blank in the middle.", f"{payload[:40]} {payload[40:]}"),
    ):
        yield Case(
            name=f"decoding-base64-{name}",
            why=why,
            file="payload.b64",
            material=bad.encode(),
            problem="DD-020",
        )
    for name, why, body, code in (
        (
            "unknown-member",
            "A member that is not of the form: nobody decides about it silently.",
            {"trang_thai": "duyet"},
            "DD-901",
        ),
        ("no-payload", "The payload is missing.", {"payload": None}, "DD-901"),
        (
            "school-of-others",
            "A school that never authorised the client.",
            {"school_code": "66THCS999"},
            "QH-004",
        ),
        ("package-id", "No UUID.", {"package_id": "goi-1"}, "DD-901"),
        ("school-year", "Years that do not follow.", {"school_year": "2025-2027"}, "DD-901"),
    ):
        request = json.dumps({**OUTER, "payload": payload, **body}).encode()
        yield Case(name=f"request-{name}", why=why, file="request.json", material=request, problem=code)


def _odd_bits(payload: str) -> str:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    body = payload.rstrip("=")
    assert body != payload
    return body[:-1] + alphabet[alphabet.index(body[-1]) + 1] + payload[len(body) :]


def _gzip() -> Iterator[Case]:
    sound = zipped(signed())
    broken = bytearray(sound)
    broken[-6] ^= 1
    length = bytearray(sound)
    length[-1] ^= 1
    for name, why, packed, code in (
        ("not-gzip", "XML that was never packed.", signed(), "DD-021"),
        ("zlib", "zlib's own wrapping instead of gzip's.", zlib.compress(signed(), 0), "DD-021"),
        ("zip", "A ZIP archive.", b"PK\x03\x04" + bytes(26), "DD-021"),
        ("empty", "Nothing.", b"", "DD-021"),
        ("cut-short", "The last bytes are missing.", sound[:-9], "DD-022"),
        ("wrong-crc", "The CRC-32 is wrong.", bytes(broken), "DD-023"),
        ("wrong-length", "The stated length is wrong.", bytes(length), "DD-023"),
        ("two-members", "Two gzip members.", sound + sound, "DD-024"),
        ("trailing-bytes", "Bytes after the member.", sound + b"\0", "DD-025"),
    ):
        yield whole(f"decoding-gzip-{name}", why, packed, code, file="package.gz")


def _markup() -> Iterator[Case]:
    text = signed().decode()
    utf16 = text.replace("UTF-8", "UTF-16", 1).encode("utf-16")
    latin = text.replace("UTF-8", "ISO-8859-1", 1).encode()
    for name, why, xml, codes in (
        ("utf-16", "UTF-16 with a byte order mark.", utf16, ("DD-030",)),
        ("latin-1", "Another encoding is declared.", latin, ("DD-030",)),
        (
            "not-well-formed",
            "An unclosed tag in the header.",
            _with(text, _HEADER, "<ThongTinChung><MaGoi>"),
            ("DD-031",),
        ),
        (
            "doctype",
            "An internal subset that declares an entity.",
            _with(text, "<GoiHocBa", f"{_DOCTYPE}<GoiHocBa"),
            ("DD-032",),
        ),
        (
            "external-dtd",
            "An external DTD, which is never fetched.",
            _with(text, "<GoiHocBa", f"{_EXTERNAL}<GoiHocBa"),
            ("DD-032",),
        ),
        (
            "processing-instruction",
            "A processing instruction in a text.",
            _with(text, "<CaNam>7.3", "<CaNam>7<?x?>.3"),
            ("DD-033",),
        ),
        (
            "style-sheet",
            "A style sheet for the package.",
            _with(text, "<GoiHocBa", '<?xml-stylesheet href="x"?><GoiHocBa'),
            ("DD-033",),
        ),
        (
            "other-root",
            "Another root.",
            _with(_with(text, "<GoiHocBa", "<Goi").decode(), "</GoiHocBa>", "</Goi>"),
            ("DD-034",),
        ),
        (
            "other-namespace",
            "The root in another namespace.",
            _with(text, "urn:hocba:1.0", "urn:hocba:2.0"),
            ("DD-034",),
        ),
        (
            "foreign-element",
            "An element beside the transcripts.",
            _with(text, "</GoiHocBa>", "<x/></GoiHocBa>"),
            ("DD-035",),
        ),
        (
            "foreign-text",
            "Text beside the transcripts.",
            _with(text, "</GoiHocBa>", "x</GoiHocBa>"),
            ("DD-035",),
        ),
        (
            "no-transcript",
            "No transcript.",
            transcripts.package([]).replace(b"<SoLuong>0", b"<SoLuong>1"),
            ("DD-036",),
        ),
        (
            "end-tag-too-many",
            "An end tag too many.",
            _with(text, "</HocBa>", "</HocBa></HocBa>"),
            ("DD-038",),
        ),
    ):
        yield whole(f"decoding-{name}", why, xml, *codes)
    for name, why, old, new in (
        ("entity", "An entity that nobody declared.", "<CaNam>7.3", "<CaNam>&a;"),
        ("nul", "A character reference to NUL.", "<CaNam>7.3", "<CaNam>&#0;7.3"),
    ):
        yield refused(f"decoding-{name}", why, _with(text, old, new), "DD-031")
    yield refused(
        "decoding-not-utf-8", "A byte that is not UTF-8.",
        signed().replace("Có ý".encode(), b"C\xf3 \xfd"), "DD-030",
    )  # fmt: skip


def _with(text: str, old: str, new: str) -> bytes:
    assert old in text, old
    return text.replace(old, new, 1).encode()


def header_cases() -> Iterator[Case]:
    """Give what the header says wrong, of itself or beside what is said outside."""
    for code, name, value in (
        ("DD-040", "package_id", "0" * 31 + "2"),
        ("DD-041", "school_code", "66THCS002"),
        ("DD-042", "school_year", "2024-2025"),
    ):
        yield whole(
            f"header-{name.replace('_', '-')}", f"{name} beside the payload differs from the header's.",
            signed(), code, outer={**OUTER, name: value},
        )  # fmt: skip
    yield whole(
        "header-unknown-version", "A version that nobody knows.", signed(), "DD-044",
        outer={**OUTER, "schema_version": "9.9"},
    )  # fmt: skip
    text = signed().decode()
    for name, why, old, new, code in (
        ("version", "The root states another version.", 'phienBan="1.0"', 'phienBan="1.1"', "DD-043"),
        ("count", "SoLuong lies.", "<SoLuong>1", "<SoLuong>2", "DD-037"),
        ("years", "Years that do not follow.", "<NamHoc>2025-2026", "<NamHoc>2025-2027", "MA-003"),
        ("missing", "The header has no school.", "<MaTruong>66THCS001</MaTruong>\n", "", "DD-060"),
        ("attribute", "An attribute that the root does not have.", "<GoiHocBa", '<GoiHocBa la="1"', "DD-063"),
    ):
        yield whole(f"header-wrong-{name}", why, _with(text, old, new), code)
    yield Case(
        name="package-same-transcript-twice",
        why="The same transcript twice: the first one stands.",
        material=joined(signed(), signed()),
        items=(Item(), Item(outcome=REJECTED, codes=("TR-001",))),
    )
    namesake = signed(number=2, before=[("<MaHocSinh>6600000002", "<MaHocSinh>6600000001")])
    yield Case(
        name="package-same-pupil-twice",
        why="Another transcript of the same pupil, year and level.",
        material=joined(signed(), namesake),
        items=(Item(), Item(outcome=REJECTED, codes=("TR-002",))),
    )
    yield Case(
        name="package-all-or-nothing",
        why="atomic=true, and one transcript is refused: so are the others.",
        material=joined(signed(), signed(number=2, after=[("Nguyễn Thị", "Nguyễn Thi")])),
        outer={**OUTER, "atomic": "true"},
        items=(
            Item(outcome=REJECTED, codes=("TR-016",)),
            Item(outcome=REJECTED, codes=("KS-017",)),
        ),
    )


def _limits() -> Iterator[Case]:
    """The limits that a small document exceeds; the large ones are made at run time."""
    many = " ".join(f'a{number}="1"' for number in range(33))
    declared = " ".join(f'xmlns:n{number}="urn:{number}"' for number in range(33))
    deep = "<a>" * 60 + "</a>" * 60
    for name, why, old, new, codes in (
        ("attributes", "33 attributes on one element.", "<Khoi>", f"<Khoi {many}>", ("DD-009",)),
        ("namespaces", "33 namespaces in scope.", "<Khoi>", f"<Khoi {declared}>", ("DD-010",)),
        (
            "namespace-name",
            "A namespace name of 300 bytes.",
            "<Khoi>",
            f'<Khoi xmlns:a="urn:{"a" * 300}">',
            ("DD-011",),
        ),
        ("depth", "60 elements in each other.", "<Khoi>", f"{deep}<Khoi>", ("DD-007",)),
    ):
        yield refused(f"limit-{name}", why, signed(after=[(old, new)]), *codes)
