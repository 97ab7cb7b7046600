"""PDF files written by hand, as small as a test needs them."""

from __future__ import annotations

from collections.abc import Sequence

_FONTS = (
    b"<< /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
    b" /F2 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold >> >>"
)


def line(x: float, y: float, text: str, *, size: float = 12, font: str = "F1") -> str:
    """Content that sets one line of text with its baseline at (x, y)."""
    escaped = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
    return f"BT /{font} {size} Tf {x} {y} Td ({escaped}) Tj ET\n"


def prose(x: float, top: float, lines: Sequence[str], *, size: float = 12) -> str:
    """Lines one below the other, 1.2 times their size apart."""
    return "".join(line(x, top - 1.2 * size * k, text, size=size) for k, text in enumerate(lines))


def rule(x0: float, y0: float, x1: float, y1: float) -> str:
    """Content that draws a straight line half a point wide."""
    return f"0.5 w {x0} {y0} m {x1} {y1} l S\n"


def pdf(
    *contents: str | bytes,
    page: str = "/MediaBox [0 0 612 792]",
    trailer: str = "",
    title: str = "",
    catalog: str = "",
    extra: Sequence[bytes] = (),
) -> bytes:
    """A document with one page per content; ``page`` is put into each page's dictionary.

    Content in bytes is taken for compressed with zlib. ``extra`` objects are numbered from 4 and
    twice the number of pages; ``catalog`` may refer to them.
    """
    objects = [f"<< /Type /Catalog /Pages 2 0 R {catalog} >>".encode()]
    kids = " ".join(f"{4 + 2 * k} 0 R" for k in range(len(contents)))
    objects.append(f"<< /Type /Pages /Count {len(contents)} /Kids [{kids}] >>".encode())
    objects.append(f"<< /Title ({title}) >>".encode())
    for k, content in enumerate(contents):
        stream = content.encode("latin-1") if isinstance(content, str) else content
        packed = b"/Filter /FlateDecode " if isinstance(content, bytes) else b""
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /Contents {5 + 2 * k} 0 R {page} ".encode()
            + b"/Resources << /Font "
            + _FONTS
            + b" >> >>"
        )
        head = b"<< %s/Length %d >>" % (packed, len(stream))
        objects.append(b"%s\nstream\n%s\nendstream" % (head, stream))
    objects += extra
    out = bytearray(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    ending = f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R /Info 3 0 R {trailer} >>\n"
    return bytes(out + ending.encode() + b"startxref\n%d\n%%%%EOF\n" % start)
