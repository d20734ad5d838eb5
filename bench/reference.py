"""Building and running the C reference, where a compiler and the two libraries' headers are."""

import shutil
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from app.client.packaging import parse, standing_alone, transcripts_of, unpack
from app.formats.hocba_1_0.profile import HocBaProfile
from app.formats.schema import standard_schema
from bench.documents import Load

SOURCE: Final = Path(__file__).with_name("reference.c")
XMLDSIG: Final = "http://www.w3.org/2000/09/xmldsig#"


def build(folder: Path) -> Path | None:
    """Compile the reference into a folder; None where the machine has no compiler or no headers."""
    compiler, config = shutil.which("cc"), shutil.which("pkg-config")
    if compiler is None or config is None:
        return None
    flags = subprocess.run(  # noqa: S603 - a program of the machine, found by its name
        [config, "--cflags", "--libs", "libxml-2.0", "libcrypto"], capture_output=True, text=True, check=False
    )
    program = folder / "reference"
    if flags.returncode == 0:
        command = [compiler, "-O2", "-o", str(program), str(SOURCE), *flags.stdout.split()]
        made = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - as above
        if made.returncode == 0:
            return program
    return None


def write_schema(folder: Path) -> Path:
    """Write the profile's XSD beside the standard one it imports, as the engine compiles them."""
    standard = folder / "xmldsig.xsd"
    standard.write_text(standard_schema(XMLDSIG), "utf-8")
    root = etree.fromstring(HocBaProfile().schema_path.read_bytes())
    for element in root.iter("{http://www.w3.org/2001/XMLSchema}import"):
        element.set("schemaLocation", standard.name)
    path = folder / "hocba.xsd"
    path.write_bytes(etree.tostring(root))
    return path


def write_transcripts(load: Load, folder: Path) -> Path:
    """Write a load's transcripts, each standing alone behind its length."""
    path = folder / "transcripts.bin"
    with path.open("wb") as file:
        for transcript in transcripts_of(parse(unpack(load.package.gzipped))):
            content = standing_alone(transcript)
            file.write(struct.pack(">I", len(content)) + content)
    return path


def write_authorities(load: Load, folder: Path) -> Path:
    """Write the certificates of all authorities that a path may lead through."""
    path = folder / "authorities.pem"
    trust = load.bars.trust
    known = (*(anchor.certificate for anchor in trust.anchors), *trust.intermediates)
    path.write_bytes(b"".join(certificate.public_bytes(Encoding.PEM) for certificate in known))
    return path


def write_files(load: Load, folder: Path) -> list[Path]:
    """Write what the reference reads, in the order in which it takes them."""
    return [write_schema(folder), write_authorities(load, folder), write_transcripts(load, folder)]


def run(program: Path, files: Sequence[Path], rounds: int) -> tuple[float, int]:
    """Give processor microseconds for one transcript (median of the rounds), and how many were good."""
    done = subprocess.run(  # noqa: S603 - the program built above
        [program, *files, str(rounds)], capture_output=True, text=True, check=True
    )
    microseconds, good = done.stdout.split()
    return float(microseconds), int(good)
