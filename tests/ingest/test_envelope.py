import gzip
import subprocess
import sys
from base64 import b64encode
from dataclasses import replace
from uuid import UUID

import pytest

from app.findings import Finding
from app.formats.profile import Envelope
from app.formats.registry import profile_for
from app.ingest.envelope import Limits, OuterFields, check_envelope, decode_payload, unpack
from app.ingest.splitting import OpenedPackage, split
from tests.builders import transcripts

LIMITS = Limits()
XML = transcripts.package([transcripts.transcript()])
PACKED = gzip.compress(XML, mtime=0)


def code_of(result: object) -> str:
    assert isinstance(result, Finding)
    assert result.message_vi
    assert result.message_en
    return result.code


def envelope_of(xml: bytes) -> Envelope:
    profile = profile_for("1.0")
    assert profile is not None
    opened = split(xml, profile, LIMITS)
    assert isinstance(opened, OpenedPackage)
    return opened.envelope


@pytest.mark.parametrize("length", range(6))
def test_base64_gives_the_bytes_back(length: int) -> None:
    content = bytes(range(250, 250 + length))
    assert decode_payload(b64encode(content)) == content
    assert decode_payload(b64encode(content).decode()) == content


@pytest.mark.parametrize(
    "payload",
    [
        "QUJD\n",
        "QU JD",
        "QQ",
        "QQ=",
        "====",
        "QQ==QQ==",
        "_-8=",
        "QR==",  # the unused bits are not zero
        "QUJ=",
        "QUJDé",
        b"QUJD\x00",
    ],
)
def test_base64_of_any_other_form_is_refused(payload: str | bytes) -> None:
    assert code_of(decode_payload(payload)) == "DD-020"


def test_one_gzip_member_gives_the_xml_back() -> None:
    assert unpack(PACKED, LIMITS) == XML


def test_a_package_of_many_steps_gives_the_xml_back() -> None:
    xml = b"".join(gzip.compress(number.to_bytes(4, "big")) for number in range(200_000))
    assert unpack(gzip.compress(xml, 1), LIMITS) == xml


@pytest.mark.parametrize(
    ("packed", "code"),
    [
        (b"", "DD-021"),
        (XML, "DD-021"),
        (b"PK\x03\x04", "DD-021"),
        (PACKED[:5], "DD-022"),
        (PACKED[:200], "DD-022"),
        (PACKED[:-1], "DD-022"),
        (PACKED[:-8], "DD-022"),
        (PACKED[:-8] + bytes(8), "DD-023"),
        (PACKED[:-4] + bytes(4), "DD-023"),
        (PACKED[:2] + b"\x07" + PACKED[3:], "DD-023"),
        (PACKED[:12] + b"\xff\xff\xff\xff" + PACKED[16:], "DD-023"),
        (PACKED + PACKED, "DD-024"),
        (PACKED + gzip.compress(b""), "DD-024"),
        (PACKED + b"\n", "DD-025"),
        (PACKED + bytes(512), "DD-025"),
    ],
)
def test_other_data_is_refused(packed: bytes, code: str) -> None:
    assert code_of(unpack(packed, LIMITS)) == code


def test_the_allowed_size_is_allowed_and_a_byte_more_is_not() -> None:
    limits = replace(LIMITS, unpacked_bytes=len(XML))
    assert unpack(PACKED, limits) == XML
    refusal = unpack(PACKED, replace(limits, unpacked_bytes=len(XML) - 1))
    assert code_of(refusal) == "DD-002"


def test_a_ratio_no_transcript_has_is_refused() -> None:
    assert code_of(unpack(gzip.compress(bytes(8 << 20)), LIMITS)) == "DD-003"


def test_a_bomb_behind_an_innocent_beginning_is_refused() -> None:
    beginning = b"".join(gzip.compress(number.to_bytes(4, "big")) for number in range(100_000))
    assert code_of(unpack(gzip.compress(beginning + bytes(64 << 20)), LIMITS)) == "DD-003"


def test_a_full_package_of_near_identical_transcripts_is_not_taken_for_a_bomb() -> None:
    xml = transcripts.package([transcripts.transcript(number=number) for number in range(1000)])
    assert unpack(gzip.compress(xml, 9), LIMITS) == xml


@pytest.mark.parametrize("beyond", [-8, -1, 0, 1, 8])
def test_a_member_may_end_wherever_the_input_is_divided(beyond: int) -> None:
    def packed(size: int) -> bytes:
        return gzip.compress(bytes(size), compresslevel=0, mtime=0)

    overhead = len(packed(1 << 20)) - (1 << 20)
    member = packed((1 << 20) - overhead + beyond)
    assert len(member) == (1 << 20) + beyond

    assert unpack(member, LIMITS) == gzip.decompress(member)
    assert code_of(unpack(member[:-1], LIMITS)) == "DD-022"
    assert code_of(unpack(member[:-1] + bytes([member[-1] ^ 1]), LIMITS)) == "DD-023"
    assert code_of(unpack(member + b"\x1f", LIMITS)) == "DD-025"
    assert code_of(unpack(member + PACKED, LIMITS)) == "DD-024"


_BOMB = """
import random, resource, sys, zlib
from app.ingest.envelope import Limits, unpack
block = random.Random(10).randbytes(int(sys.argv[2])) + bytes(1 << 20)
packer = zlib.compressobj(9, zlib.DEFLATED, 31)
bomb = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
piece = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
bomb += piece * 512 + b"\\xff" * len(piece) * (10 * 1024 - 512)  # corrupt from 512 MiB on
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
code = unpack(bomb, Limits(compression_ratio=int(sys.argv[1]))).code
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(code, grown // 1024)
"""


@pytest.mark.parametrize(
    ("ratio", "noise", "code", "mebibytes"),
    [
        (LIMITS.compression_ratio, 0, "DD-003", 16),
        (2000, 0, "DD-002", 300),  # the ratio allowed: the size itself stops it
        (LIMITS.compression_ratio, 1700, "DD-002", 300),  # just within the ratio, 29 MiB on the wire
    ],
)
def test_a_bomb_of_ten_gibibytes_costs_little(ratio: int, noise: int, code: str, mebibytes: int) -> None:
    """Announced, for nobody who stops in time sees that most of it is corrupt.

    In a process of its own, for a process's memory only ever grows.
    """
    command = [sys.executable, "-c", _BOMB, str(ratio), str(noise)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    told, grown_mebibytes = answer.stdout.split()
    assert told == code
    assert int(grown_mebibytes) < mebibytes


def test_outer_fields_that_agree_are_fine() -> None:
    outer = OuterFields(
        package_id=UUID(transcripts.PACKAGE_ID),
        school_code=transcripts.SCHOOL_CODE,
        school_year="2025-2026",
        schema_version="1.0",
    )
    assert check_envelope(outer, envelope_of(XML)) == ()


def test_each_outer_field_that_differs_is_told() -> None:
    outer = OuterFields(
        package_id=UUID(int=2), school_code="X", school_year="2024-2025", schema_version="2.0"
    )
    findings = check_envelope(outer, envelope_of(XML))
    assert [finding.code for finding in findings] == ["DD-040", "DD-041", "DD-042", "DD-043"]
    assert all(finding.message_vi for finding in findings)
