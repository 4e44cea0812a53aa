"""Small documents of all kinds, sound and broken, made as they are needed."""

import io
import json
import random
import zipfile
from collections.abc import Sequence
from pathlib import Path

_WORDS = """harbour crane storm pier ship cargo winch rope tide quay barge pilot buoy anchor ledger invoice
freight
customs inspector repair schedule budget vessel berth dredge beacon signal mooring fender hull""".split()


def prose(number: int, sentences: int = 12) -> str:
    """So many sentences, the same for the same number."""
    chance = random.Random(number)
    return " ".join(
        f"The {chance.choice(_WORDS)} of the {chance.choice(_WORDS)} needs a {chance.choice(_WORDS)} "
        f"in week {chance.randrange(52)}."
        for _ in range(sentences)
    )


def pdf(pages: Sequence[str]) -> bytes:
    """A PDF with a text on each page, one line each."""
    kids = " ".join(f"{3 + 2 * at} 0 R" for at in range(len(pages)))
    font = 3 + 2 * len(pages)
    fonts = f"/Resources << /Font << /F1 {font} 0 R >> >>"
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>"]
    for at, text in enumerate(pages):
        lines = [text[start : start + 90] for start in range(0, len(text), 90)]
        drawn = " T* ".join(f"({_escaped(line)}) Tj" for line in lines)
        content = f"BT /F1 10 Tf 12 TL 50 750 Td {drawn} ET"
        objects += [
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {4 + 2 * at} 0 R {fonts} >>",
            f"<< /Length {len(content)} >>\nstream\n{content}\nendstream",
        ]
    objects.append("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
    out, offsets = io.BytesIO(), []
    out.write(b"%PDF-1.4\n")
    for number, body in enumerate(objects, 1):
        offsets.append(out.tell())
        out.write(f"{number} 0 obj\n{body}\nendobj\n".encode())
    start = out.tell()
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    out.write(f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}".encode())
    out.write(f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF".encode())
    return out.getvalue()


def encrypted_pdf(password: str, owner: str | None = None) -> bytes:
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(PdfReader(io.BytesIO(pdf(["The treasure lies below the crane."]))))
    writer.encrypt(password, owner, algorithm="AES-256")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def docx(blocks: Sequence[tuple[str, str]], *, extra: dict[str, bytes] | None = None) -> bytes:
    """A DOCX of paragraphs, each with its style: `Heading1`, or none."""
    style = '<w:pPr><w:pStyle w:val="{}"/></w:pPr>'
    body = "".join(
        f"<w:p>{style.format(name) if name else ''}<w:r><w:t>{text}</w:t></w:r></w:p>"
        for name, text in blocks
    )
    space = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    styles = "".join(
        f'<w:style w:type="paragraph" w:styleId="Heading{n}"><w:name w:val="heading {n}"/></w:style>'
        for n in (1, 2)
    )
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml"
    return _office(
        {
            "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" '
            f'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override '
            f'PartName="/word/document.xml" ContentType="{kind}.document.main+xml"/></Types>',
            "_rels/.rels": _relations(("rId1", "officeDocument", "word/document.xml")),
            "word/_rels/document.xml.rels": _relations(("rId1", "styles", "styles.xml")),
            "word/styles.xml": f"<w:styles {space}>{styles}</w:styles>",
            "word/document.xml": f"<w:document {space}><w:body>{body}</w:body></w:document>",
        },
        extra,
    )


def xlsx(rows: Sequence[tuple[str, Sequence[object]]], sheet: str = "Prices") -> bytes:
    """A spreadsheet of rows, each with the reference of its first cell, such as `A1`."""
    body = ""
    for at, cells in rows:
        column, number = at.rstrip("0123456789"), at.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
        drawn = ""
        for step, value in enumerate(cells):
            name = column if not step else chr(ord(column) + step)
            drawn += f'<c r="{name}{number}" t="inlineStr"><is><t>{value}</t></is></c>'
        body += f'<row r="{number}">{drawn}</row>'
    data = f"<sheetData>{body}</sheetData>"
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    return _office(
        {
            "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types"/>',
            "_rels/.rels": _relations(("rId1", "officeDocument", "xl/workbook.xml")),
            "xl/_rels/workbook.xml.rels": _relations(("rId1", "worksheet", "worksheets/sheet1.xml")),
            "xl/workbook.xml": f'<workbook xmlns="{space}" xmlns:r="{_OFFICE}"><sheets>'
            f'<sheet name="{sheet}" sheetId="1" r:id="rId1"/></sheets></workbook>',
            "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{space}">{data}</worksheet>',
        }
    )


def ipynb(cells: Sequence[tuple[str, str, str]]) -> bytes:
    """A notebook of cells: the type, the source, and what it gave."""
    made = [
        {"cell_type": kind, "source": source.splitlines(keepends=True)}
        | ({"outputs": [{"output_type": "stream", "text": output}]} if kind == "code" else {})
        for kind, source, output in cells
    ]
    return json.dumps({"cells": made, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}).encode()


def bomb(megabytes: int) -> bytes:
    """A DOCX that unpacks to that much."""
    return docx([("", "small")], extra={"word/media/image1.png": b"\0" * (megabytes * 1_000_000)})


def mixed(folder: Path, count: int) -> None:
    """That many sound files of nine kinds in subfolders."""
    for number in range(count):
        text = prose(number)
        name = folder / f"part{number % 20}" / f"paper{number}"
        name.parent.mkdir(parents=True, exist_ok=True)
        match number % 20:
            case 0 | 1:
                name.with_suffix(".pdf").write_bytes(pdf([text, prose(number + 1)]))
            case 2:
                blocks = [("Heading1", f"Paper {number}"), ("", text), ("Heading2", "More"), ("", text)]
                name.with_suffix(".docx").write_bytes(docx(blocks))
            case 3 | 4:
                rows = [(f"A{row}", [f"part {row}", row * number]) for row in range(1, 30)]
                name.with_suffix(".xlsx").write_bytes(xlsx(rows))
            case 5 | 6:
                cells = [("markdown", f"# Paper {number}", ""), ("code", f"print({number})", f"{number}\n")]
                name.with_suffix(".ipynb").write_bytes(ipynb(cells))
            case 7 | 8:
                name.with_suffix(".csv").write_text("".join(f"{row},{row * number}\n" for row in range(90)))
            case 9 | 10:
                name.with_suffix(".html").write_text(f"<h1>Paper {number}</h1><p>{text}</p>")
            case 11 | 12 | 13:
                code = f"def paper{number}() -> str:\n    return {text!r}\n\n\n" * 3
                name.with_suffix(".py").write_text(code)
            case 14 | 15:
                name.with_suffix(".txt").write_text(text)
            case _:
                name.with_suffix(".md").write_text(f"# Paper {number}\n\n{text}\n\n## More\n\n{text}\n" * 2)


_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def _relations(*each: tuple[str, str, str]) -> str:
    made = "".join(f'<Relationship Id="{i}" Type="{_OFFICE}/{kind}" Target="{to}"/>' for i, kind, to in each)
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{made}</Relationships>'


def _office(files: dict[str, str], extra: dict[str, bytes] | None = None) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, '<?xml version="1.0" encoding="UTF-8"?>' + text)
        for name, data in (extra or {}).items():
            archive.writestr(name, data)
    return out.getvalue()


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
