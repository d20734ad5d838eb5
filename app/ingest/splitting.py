"""Taking the transcripts out of an unpacked package, byte for byte, without parsing them.

Markup cannot hide in tags, so a transcript's end is found by looking for its end tag, once comments and
CDATA sections (the only places where a ``<`` may stand for itself) are blanked out. What remains when all
transcripts are cut out, the skeleton, is small: it is parsed and must be a root with a header and nothing
else. Each transcript is later parsed alone, so a wrong cut cannot pass for a right one.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from lxml import etree

from app.findings import Finding, finding
from app.formats.place import Place, local_name
from app.formats.profile import Envelope, FormatProfile
from app.ingest.limits import Limits, exceeded
from app.ingest.schema_gate import violations
from app.ingest.well_formed import malformed_at, parse

_BOM: Final = b"\xef\xbb\xbf"
_DECLARATION: Final = re.compile(
    rb"<\?xml\s+version\s*=\s*(?:\"1\.0\"|'1\.0')"
    rb"(?:\s+encoding\s*=\s*(?:\"(?P<double>[^\"<>]*)\"|'(?P<single>[^'<>]*)'))?"
    rb"(?:\s+standalone\s*=\s*(?:\"(?:yes|no)\"|'(?:yes|no)'))?\s*\?>"
)
_HIDING: Final = re.compile(rb"<!--.*?-->|<!\[CDATA\[.*?\]\]>|<!|<\?", re.DOTALL)
_NAME: Final = rb"[^\s<>/=\"'&!?]++"
_VALUE: Final = rb"\"[^<\"]*+\"|'[^<']*+'"
_ATTRIBUTE: Final = re.compile(rb"\s++(" + _NAME + rb")\s*+=\s*+(" + _VALUE + rb")")
_START_TAG: Final = re.compile(
    rb"<(?P<name>" + _NAME + rb")"
    rb"(?P<attributes>(?:\s++" + _NAME + rb"\s*+=\s*+(?:" + _VALUE + rb"))*+)\s*+(?P<empty>/?)>"
)
_LESS_THAN: Final = ord("<")
_RARE: Final = 10_000  # marks looked at one by one before searching for the pair
_NAME_ENDS: Final = (b">", b" ", b"\t", b"\r", b"\n")
_BLANKS_IN_VALUES: Final = bytes.maketrans(b"\t\r\n", b"   ")  # as attribute values are normalised anyway
_XML_BLANKS: Final = " \t\r\n"
_INSTANCE: Final = "{http://www.w3.org/2001/XMLSchema-instance}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptPiece:
    """One transcript as it stands in the package.

    Attributes:
        position: its place among the transcripts, 1-based.
        place: the same for findings, with the line it begins on.
        byte_offset: where it begins in the unpacked XML.
        byte_length: how long it is there.
    """

    position: int
    place: Place
    byte_offset: int
    byte_length: int
    source: bytes = field(repr=False)
    name_end: int = field(repr=False)
    inherited: bytes = field(repr=False)

    def standing_alone(self) -> bytes:
        """Give the transcript's bytes with the namespaces it inherits declared on it, otherwise untouched."""
        end = self.byte_offset + self.byte_length
        return b"".join(
            (self.source[self.byte_offset : self.name_end], self.inherited, self.source[self.name_end : end])
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedPackage:
    """A package whose header was read and whose transcripts are told apart."""

    envelope: Envelope
    pieces: tuple[TranscriptPiece, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """Where one child of the root starts and ends, and where the name in its start tag ends."""

    start: int
    name_end: int
    end: int
    local_name: bytes
    declared: frozenset[bytes]


def split(xml: bytes, profile: FormatProfile, limits: Limits) -> OpenedPackage | tuple[Finding, ...]:
    """Tell the header and the transcripts of an unpacked package apart.

    One leading UTF-8 byte order mark is tolerated: common writers emit it and it is no part of the document.
    Refuses the package as a whole: ``DD-030`` not UTF-8, ``DD-031`` not well-formed outside the transcripts,
    ``DD-032`` DOCTYPE, ``DD-033`` processing instruction, ``DD-034`` another root, ``DD-035`` anything but
    transcripts beside the header, ``DD-036`` no transcript, ``DD-037`` another count than declared,
    ``DD-038`` unbalanced or nested transcripts, ``DD-043`` another version, the limits, and whatever the
    schema refuses in the header.
    """
    start = _opening(xml)
    if isinstance(start, Finding):
        return (start,)
    outline = _outline(xml, start, limits)
    if isinstance(outline, Finding):
        return (outline,)
    cut = _cut(xml, outline, start, profile, limits)
    if isinstance(cut, Finding):
        return (cut,)
    spans, inherited = cut
    envelope = _read_skeleton(xml, spans, profile, limits)
    if not isinstance(envelope, Envelope):
        return envelope
    pieces = tuple(_pieces(xml, spans, inherited, profile))
    return OpenedPackage(envelope=envelope, pieces=pieces)


def _opening(xml: bytes) -> int | Finding:
    """Check encoding and XML declaration, and say where the document itself begins."""
    if b"\0" in xml[:4] or xml.startswith((b"\xff\xfe", b"\xfe\xff")):
        return finding("DD-030", line=1, found="UTF-16 / UTF-32")
    start = len(_BOM) if xml.startswith(_BOM) else 0
    declaration = _DECLARATION.match(xml, start)
    if declaration is None:
        is_misdeclared = xml[start : start + 5] == b"<?xml" and xml[start + 5 : start + 6].isspace()
        return malformed_at(xml, start, "XML declaration") if is_misdeclared else start
    encoding = declaration["double"] or declaration["single"]
    if encoding is not None and encoding.lower() != b"utf-8":
        return finding("DD-030", line=1, found=encoding.decode("ascii", "replace")[:40])
    return declaration.end()


def _outline(xml: bytes, start: int, limits: Limits) -> bytes | bytearray | Finding:
    """Give the XML with comments and CDATA sections blanked out; the very bytes where there are none."""
    if not any(_has_markup(xml, mark, start) for mark in (b"!", b"?")):
        return xml
    outline = bytearray(xml)
    for number, hiding in enumerate(_HIDING.finditer(xml, start), start=1):
        begin, end = hiding.span()
        if hiding[0] == b"<?":
            return finding("DD-033", line=xml.count(b"\n", 0, begin) + 1)
        if hiding[0] == b"<!":
            if xml.startswith(b"<!DOCTYPE", begin):
                return finding("DD-032", line=xml.count(b"\n", 0, begin) + 1)
            return malformed_at(xml, begin, "comment or CDATA section not closed")
        if number > limits.comments:
            return exceeded("comments", limits)
        outline[begin:end] = b" " * (end - begin)
    return outline


def _has_markup(xml: bytes, mark: bytes, start: int) -> bool:
    """Say whether ``<`` and the mark stand side by side; the mark alone is rarer and so found much faster."""
    position = start
    for _ in range(_RARE):
        position = xml.find(mark, position + 1)
        if position < 0:
            return False
        if xml[position - 1] == _LESS_THAN:
            return True
    return xml.find(b"<" + mark, position) >= 0


def _cut(
    xml: bytes, outline: bytes | bytearray, start: int, profile: FormatProfile, limits: Limits
) -> tuple[list[_Span], dict[bytes, bytes]] | Finding:
    """Find the transcripts, and the namespaces that the root declares for them."""
    root_tag = _START_TAG.match(outline, max(outline.find(b"<", start), 0))
    if root_tag is None or root_tag["empty"]:
        return malformed_at(xml, start, "no root start tag")
    transcript_name = profile.transcript_name.encode()
    spans: list[_Span] = []
    for index, span in enumerate(_children(outline, root_tag)):
        if isinstance(span, int):
            return _broken_off(xml, span, profile)
        if span.local_name == transcript_name:
            spans.append(span)
        elif index > 0:
            return _foreign(profile, xml.count(b"\n", 0, span.start) + 1)
        if len(spans) > limits.transcripts:
            return exceeded("transcripts", limits)
    return spans, dict(_namespace_declarations(root_tag))


def _children(outline: bytes | bytearray, root_tag: re.Match[bytes]) -> Iterator[_Span | int]:
    """Find the root's children one after another, or the offset at which markup breaks off."""
    position = root_tag.end()
    while True:
        start = outline.find(b"<", position)
        if start < 0:
            yield len(outline)
            return
        if outline.startswith(b"</", start):
            if not outline.startswith(root_tag["name"], start + 2):
                yield start
            return
        tag = _START_TAG.match(outline, start)
        if tag is None:
            yield start
            return
        name = bytes(tag["name"])
        position = tag.end() if tag["empty"] else _end_of(outline, name, tag.end())
        if position == 0:
            yield start
            return
        yield _Span(
            start=start,
            name_end=tag.end("name"),
            end=position,
            local_name=name.rpartition(b":")[2],
            declared=frozenset(key for key, _ in _namespace_declarations(tag)),
        )


def _end_of(outline: bytes | bytearray, name: bytes, position: int) -> int:
    """Give the offset behind the next end tag of this name, 0 where there is none."""
    end_tag = b"</" + name
    while True:
        closing = outline.find(end_tag, position)
        position = closing + len(end_tag)
        if closing < 0 or outline[position : position + 1] in _NAME_ENDS:
            return outline.find(b">", closing) + 1 if closing >= 0 else 0


def _broken_off(xml: bytes, offset: int, profile: FormatProfile) -> Finding:
    """Say what is wrong where the root's children break off: an end tag too many, or a tag not closed."""
    if xml.startswith(b"</", offset):
        line = xml.count(b"\n", 0, offset) + 1
        return finding("DD-038", line=line, item=profile.transcript_name)
    return malformed_at(xml, offset, "tag not closed")


def _foreign(profile: FormatProfile, line: int | None = None) -> Finding:
    xpath = f"/{profile.package_name}"
    return finding("DD-035", xpath=xpath, line=line, header=profile.header_name, item=profile.transcript_name)


def _namespace_declarations(tag: re.Match[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Give a start tag's namespace declarations: the attribute's name, and its value with the quotes."""
    for name, value in _ATTRIBUTE.findall(tag["attributes"]):
        if name == b"xmlns" or name.startswith(b"xmlns:"):
            yield bytes(name), bytes(value).translate(_BLANKS_IN_VALUES)


def _pieces(
    xml: bytes, spans: list[_Span], inherited: dict[bytes, bytes], profile: FormatProfile
) -> Iterator[TranscriptPiece]:
    """Describe each transcript: where it stands, and which of the root's namespaces it inherits."""
    prefix, name = f"/{profile.package_name}", profile.transcript_name
    line, cursor = 1, 0
    for position, span in enumerate(spans, start=1):
        line += xml.count(b"\n", cursor, span.start)
        cursor = span.start
        yield TranscriptPiece(
            position=position,
            place=Place(prefix=prefix, name=name, position=position, line=line),
            byte_offset=span.start,
            byte_length=span.end - span.start,
            source=xml,
            name_end=span.name_end,
            inherited=b"".join(
                b" " + key + b"=" + value for key, value in inherited.items() if key not in span.declared
            ),
        )


def _skeleton(xml: bytes, spans: list[_Span]) -> etree._Element | Finding:
    """Parse the XML without its transcripts; once more with their line ends to place an error."""
    root = parse(_without(xml, spans, keep_lines=False), Place())
    return parse(_without(xml, spans, keep_lines=True), Place()) if isinstance(root, Finding) else root


def _without(xml: bytes, spans: list[_Span], *, keep_lines: bool) -> bytes:
    parts: list[bytes] = []
    cursor = len(_BOM) if xml.startswith(_BOM) else 0
    for span in spans:
        parts.append(xml[cursor : span.start])
        if keep_lines:
            parts.append(b"\n" * xml.count(b"\n", span.start, span.end))
        cursor = span.end
    return b"".join((*parts, xml[cursor:]))


def _read_skeleton(
    xml: bytes, spans: list[_Span], profile: FormatProfile, limits: Limits
) -> Envelope | tuple[Finding, ...]:
    """Parse what is left when the transcripts are cut out, and read the header in it."""
    if len(xml) - sum(span.end - span.start for span in spans) > limits.header_bytes:
        return (exceeded("header_bytes", limits),)
    root = _skeleton(xml, spans)
    if isinstance(root, Finding):
        return (root,)
    findings = (
        _root_findings(root, profile)
        or violations(root[0], profile, Place())
        or profile.header_rules(root[0])
    )
    if findings:
        return findings
    envelope = profile.envelope(root[0])
    if not spans:
        return (finding("DD-036"),)
    if envelope.declared_count != len(spans):
        return (finding("DD-037", declared=envelope.declared_count, found=len(spans)),)
    return envelope


def _root_findings(root: etree._Element, profile: FormatProfile) -> tuple[Finding, ...]:
    """Check the root as the schema would, apart from the transcripts that were cut out of it."""
    expected = f"{{{profile.namespace}}}{profile.package_name}"
    if root.tag != expected:
        return (
            finding(
                "DD-034", xpath=f"/{local_name(root)}", line=1, expected=expected, found=str(root.tag)[:80]
            ),
        )
    place = Place()
    findings = []
    version = root.get(profile.version_attribute, "")
    if version != profile.version:
        findings.append(
            finding(
                "DD-043",
                xpath=place.xpath_of(root),
                value=version,
                outside=profile.version,
                inside=version[:40],
            )
        )
    findings += [
        finding("DD-063", xpath=place.xpath_of(root), line=place.line_of(root), name=str(name)[:80])
        for name in root.attrib
        if name != profile.version_attribute and not str(name).startswith(_INSTANCE)
    ]
    if len(root) == 0 or root[0].tag != f"{{{profile.namespace}}}{profile.header_name}":
        findings.append(finding("DD-060", xpath=place.xpath_of(root), name=profile.header_name))
    texts = [root.text, *(child.tail for child in root)]
    if len(root) > 1 or any(text and text.strip(_XML_BLANKS) for text in texts):
        findings.append(
            finding(
                "DD-035", xpath=place.xpath_of(root), header=profile.header_name, item=profile.transcript_name
            )
        )
    return tuple(findings)
