"""The printable form of a transcript: an A4 PDF of what its verified XML tells.

It is a print, not the original: the signed XML is, and the form says so on every page. What it shows has been
masked by the caller; the digests and the QR code lead back to what was signed.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final
from xml.sax.saxutils import escape

from pymupdf_fonts.NotoSans_Bold import fontbuffer as noto_sans_bold
from pymupdf_fonts.NotoSans_Regular import fontbuffer as noto_sans
from reportlab.graphics.barcode.qr import QrCodeWidget
from reportlab.graphics.shapes import Drawing
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import registerFont, registerFontFamily, stringWidth
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
    TableStyle,
)

from app.formats.profile import Section

FONT: Final = "NotoSans"
BOLD: Final = "NotoSans-Bold"
MARGIN: Final = 16 * mm
QR_SIZE: Final = 28 * mm
MASKED: Final = "(không hiển thị / not shown)"
NOTICE: Final = (
    "Bản in từ cơ sở dữ liệu học bạ số, không phải bản gốc: bản gốc là tệp XML có chữ ký số. "
    "Quét mã hoặc dùng mã tra cứu và ngày sinh để xem tình trạng hiện tại. / A print, not the original: the "
    "original is the signed XML. Scan the code, or use the look-up code and the date of birth, for its "
    "present status."
)
_GREY: Final = HexColor("#666666")
_RED: Final = HexColor("#b00020")
_RULE: Final = HexColor("#bbbbbb")
_BODY: Final = ParagraphStyle("body", fontName=FONT, fontSize=8.5, leading=11)
_COLUMN: Final = ParagraphStyle("column", parent=_BODY, fontName=BOLD)
_SMALL: Final = ParagraphStyle("small", parent=_BODY, fontSize=7, leading=9, textColor=_GREY)
_HEAD: Final = ParagraphStyle("head", parent=_BODY, fontName=BOLD, fontSize=10, leading=14, spaceBefore=6)
_TITLE: Final = ParagraphStyle("title", parent=_BODY, fontName=BOLD, fontSize=15, leading=20)
_ALARM: Final = ParagraphStyle("alarm", parent=_TITLE, fontSize=12, leading=16, textColor=_RED)
_PADDING: Final = 13.0  # of a cell, left and right together, in points, and a hair
_GRID: Final = TableStyle(
    [
        ("GRID", (0, 0), (-1, -1), 0.3, _RULE),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("TOPPADDING", (0, 0), (-1, -1), 1.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Print:
    """What is printed of one record.

    Attributes:
        status: in words, as of the moment of printing.
        alarm: said in red where the record is no longer in force.
        marks: facts by label that stand beside the content: digests, the receipt's moment.
        signatures: role, signing time and certificate of each.
        look_up: the address that the QR code holds.
    """

    record_code: str
    status: str
    alarm: str | None
    sections: Sequence[Section]
    marks: Sequence[tuple[str, str]]
    signatures: Sequence[tuple[str, str, str]]
    look_up: str
    printed_at: str


def render(asked: Print) -> bytes:
    """Give the PDF; heavy work, to be done off the event loop. The same input gives the same bytes."""
    _fonts()
    sink = io.BytesIO()
    document = BaseDocTemplate(
        sink,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=24 * mm,
        title=f"Học bạ {asked.record_code}",
        lang="vi",
        invariant=1,
    )
    frame = Frame(document.leftMargin, document.bottomMargin, document.width, document.height, id="page")

    def below(canvas: Canvas, _: BaseDocTemplate) -> None:
        foot = Paragraph(f"{escape(NOTICE)}<br/>{asked.record_code} · {asked.printed_at}", _SMALL)
        foot.wrapOn(canvas, document.width - 20 * mm, document.bottomMargin)
        foot.drawOn(canvas, document.leftMargin, 7 * mm)
        canvas.setFont(FONT, 7)
        canvas.drawRightString(A4[0] - MARGIN, 7 * mm, f"{canvas.getPageNumber()}")

    document.addPageTemplates([PageTemplate(id="page", frames=[frame], onPage=below)])
    document.build(_story(asked, document.width))
    return sink.getvalue()


@cache
def _fonts() -> None:
    """Load the typeface once: Noto Sans (SIL OFL 1.1) has every Vietnamese letter; subsets are embedded."""
    registerFont(TTFont(FONT, io.BytesIO(noto_sans)))
    registerFont(TTFont(BOLD, io.BytesIO(noto_sans_bold)))
    registerFontFamily(FONT, normal=FONT, bold=BOLD, italic=FONT, boldItalic=BOLD)


def _story(asked: Print, width: float) -> list[Flowable]:
    head = [Paragraph("HỌC BẠ SỐ – BẢN IN", _TITLE), _text(f"Mã tra cứu: {asked.record_code}")]
    head.append(_text(f"Tình trạng khi in: {asked.status}"))
    if asked.alarm is not None:
        head.append(Paragraph(escape(asked.alarm), _ALARM))
    story: list[Flowable] = [
        Table(
            [[head, _qr(asked.look_up)]],
            colWidths=[width - QR_SIZE - 4 * mm, QR_SIZE + 4 * mm],
            style=TableStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (0, 0), 0)]),
        )
    ]
    for section in asked.sections:
        story += _section(section, width)
    story += [Paragraph("Chữ ký số / Signatures", _HEAD)]
    rows = [("Vai trò", "Thời điểm ký", "Chứng thư số (SHA-256)"), *asked.signatures]
    story.append(_table(rows, [0.2 * width, 0.3 * width, 0.5 * width], has_titles=True))
    story += [Spacer(1, 3 * mm), _table(asked.marks, [0.3 * width, 0.7 * width])]
    return story


def _section(section: Section, width: float) -> list[Flowable]:
    story: list[Flowable] = [Paragraph(escape(section.title), _HEAD)]
    if section.columns:
        shown = [
            place
            for place, column in enumerate(section.columns)
            if not column.is_masked or any(row[place] is not None for row in section.rows)
        ]
        titles = [section.columns[place].label for place in shown]
        rows = [titles, *([row[place] or "" for place in shown] for row in section.rows)]
        story.append(_table(rows, _widths(rows, width), has_titles=True))
    if section.lines:
        lines = [
            (line.label, MASKED if line.value is None and line.is_masked else line.value or "")
            for line in section.lines
        ]
        story.append(_table(lines, [0.35 * width, 0.65 * width]))
    return story


def _widths(rows: Sequence[Sequence[str]], width: float) -> list[float]:
    """Give each column room for its longest word, and share the rest by what the columns hold."""
    columns = list(zip(*rows, strict=True))
    least = [
        _PADDING
        + max(stringWidth(word, BOLD, _BODY.fontSize) for text in column for word in text.split() or [""])
        for column in columns
    ]
    if sum(least) >= width:  # nothing is left to share: the longest words are broken
        return [width * one / sum(least) for one in least]
    held = [min(48, max(len(text) for text in column)) for column in columns]
    return [
        one + (width - sum(least)) * share / max(1, sum(held)) for one, share in zip(least, held, strict=True)
    ]


def _table(rows: Sequence[Sequence[str]], widths: Sequence[float], *, has_titles: bool = False) -> Table:
    """Give a table; its titles, where the first row has them, stand on every page that it goes over."""
    cells = [[_text(cell) for cell in row] for row in rows]
    if has_titles:
        cells[0] = [Paragraph(escape(title), _COLUMN) for title in rows[0]]
    return Table(cells, colWidths=list(widths), style=_GRID, splitInRow=1, repeatRows=int(has_titles))


def _text(text: str) -> Paragraph:
    return Paragraph(escape(text), _BODY)


def _qr(address: str) -> Drawing:
    """Give the QR code (ISO/IEC 18004) of an address, at medium error correction."""
    code = QrCodeWidget(address, barLevel="M", barWidth=QR_SIZE, barHeight=QR_SIZE)
    drawing = Drawing(QR_SIZE, QR_SIZE)
    drawing.add(code)
    return drawing
