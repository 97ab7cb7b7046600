from __future__ import annotations

import base64
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.parse import detect, eml, parse
from rag.errors import EmptyDocument, ParserLimit
from rag.types import BlockKind, ParsedDocument

TYPE = "message/rfc822"
SAMPLES = Path(__file__).resolve().parents[2] / "data" / "samples"


def read(tmp_path: Path, source: str | bytes | EmailMessage) -> ParsedDocument:
    path = tmp_path / "a.eml"
    if isinstance(source, EmailMessage):
        source = source.as_bytes(policy=SMTP)
    path.write_bytes(source if isinstance(source, bytes) else source.encode())
    return parse(path, TYPE)


def letter(text: str = "Dear Ada,\n\nit is done.\n") -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"] = "Prüfung abgeschlossen · 完了"
    mail["Date"] = "Tue, 22 Oct 2024 08:14:00 +0200"
    mail["To"] = "Ada <ada@example.org>, Böb <bob@example.org>"
    mail["From"] = "Jürgen <j@example.org>"
    mail.set_content(text)
    return mail


def test_headers_stand_above_the_body(tmp_path: Path) -> None:
    document = read(tmp_path, letter())
    assert document.title == "Prüfung abgeschlossen · 完了"
    assert document.text == (
        "From: Jürgen <j@example.org>\n"
        "To: Ada <ada@example.org>, Böb <bob@example.org>\n"
        "Date: Tue, 22 Oct 2024 08:14:00 +0200\n"
        "Subject: Prüfung abgeschlossen · 完了\n\n"
        "Dear Ada,\n\nit is done."
    )
    assert document.warnings == ()


def test_the_sample_mails(tmp_path: Path) -> None:
    reply = read(tmp_path, (SAMPLES / "mail-od-05-reply.eml").read_bytes())
    assert "the gasket set at €212 less 18 %" in reply.text  # plain, not its copy in HTML
    assert reply.text.count("Dear Saskia") == 1
    (report,) = reply.attachments
    assert (report.name, report.media_type) == ("SR-24-2061.pdf", "application/pdf")
    assert report.content.startswith(b"%PDF-")


def test_a_page_is_read_where_there_is_no_plain_text(tmp_path: Path) -> None:
    mail = letter(" \n")
    mail.add_alternative(
        "<style>p{}</style><h2>Prices</h2><table><tr><td>seal<td>12 €</table>",
        subtype="html",
        charset="iso-8859-15",
    )
    document = read(tmp_path, mail)
    assert document.text.endswith("\n\nPrices\n\nseal | 12 €")
    blocks = {block.kind: document.text[block.start : block.end] for block in document.blocks}
    assert blocks == {BlockKind.HEADING: "Prices", BlockKind.TABLE: "seal | 12 €"}


def test_attachments(tmp_path: Path) -> None:
    inner = letter("forwarded words")
    mail = letter()
    mail.add_attachment("a;b\n", subtype="csv", filename="Übersicht März.csv")
    mail.add_attachment(b"%PDF-", maintype="application", subtype="pdf")
    mail.add_attachment(inner)
    mail.add_attachment(b"GIF8" * 9, maintype="image", subtype="gif", disposition="inline")
    mail.add_attachment(b"GIF8" * 9, maintype="image", subtype="gif", filename="plan.gif")
    mail.add_attachment(b"", maintype="image", subtype="png", filename="empty.png")
    document = read(tmp_path, mail)
    assert [(a.name, a.media_type) for a in document.attachments] == [
        ("Übersicht März.csv", "text/csv"),
        ("attachment-2.pdf", "application/pdf"),
        ("Prüfung abgeschlossen · 完了.eml", "message/rfc822"),
        ("plan.gif", "image/gif"),
    ]
    assert document.attachments[0].content == b"a;b\n"
    assert document.warnings == (
        "the attachment 'empty.png' is empty",
        "small pictures within the text were left out: 1",
    )
    forwarded = read(tmp_path, document.attachments[2].content)
    assert forwarded.text.endswith("forwarded words")


def test_files_hang_on_the_form_that_is_not_read(tmp_path: Path) -> None:
    mail = letter("plain words")
    mail.add_alternative("<p>plain words", subtype="html")
    page = mail.get_payload(1)
    assert isinstance(page, EmailMessage)
    page.add_related(b"%PDF-", maintype="application", subtype="pdf", filename="x.pdf")
    document = read(tmp_path, mail)
    assert document.text.count("plain words") == 1
    assert [a.name for a in document.attachments] == ["x.pdf"]


@pytest.mark.parametrize(
    ("header", "content", "said"),
    [
        ("text/plain; charset=iso-2022-jp", "日本語".encode("iso-2022-jp"), "日本語"),
        ("text/plain; charset=gb2312", "朱镕基".encode("gb18030"), "朱镕基"),
        ("text/plain; charset=windows-1252", "1 €".encode("cp1252"), "1 €"),
        ("text/plain; charset=us-ascii", "1 €".encode(), "1 €"),
        ("text/plain; charset=x-unknown-9", b"words", "words"),
        ('text/plain; charset="a\0b"', b"words", "words"),
        ("multipart/mixed; boundary=never", b"words", "words"),
        ("nonsense", b"words", "words"),
    ],
)
def test_charsets_and_damage(tmp_path: Path, header: str, content: bytes, said: str) -> None:
    head = f"Subject: x\nMIME-Version: 1.0\nContent-Type: {header}\n"
    plain = read(tmp_path, head.encode() + b"\n" + content)
    packed = head.encode() + b"Content-Transfer-Encoding: base64\n\n" + base64.b64encode(content)
    assert plain.text == f"Subject: x\n\n{said}"
    if not header.startswith("multipart"):
        assert read(tmp_path, packed).text == plain.text


def test_what_is_encrypted_is_said(tmp_path: Path) -> None:
    head = "Subject: x\nContent-Type: application/pkcs7-mime; smime-type=enveloped-data\n\nMIAG"
    assert "encrypted" in read(tmp_path, head).warnings[0]


def test_nothing(tmp_path: Path) -> None:
    with pytest.raises(EmptyDocument, match="no headers"):
        read(tmp_path, "X-Nothing: here\n\n  \n")


def test_nesting_has_an_end(tmp_path: Path) -> None:
    parts = (f"Content-Type: multipart/mixed; boundary=b{i}\n\n--b{i}\n" for i in range(1500))
    with pytest.raises(ParserLimit, match="nested"):
        read(tmp_path, "Subject: x\n" + "".join(parts))


@pytest.mark.parametrize(
    ("data", "name", "expected"),
    [
        ("Subject: a\r\n b\r\nX-Y: z\r\nMime-Version: 1.0\r\n\r\nx", "file.txt", TYPE),
        ("Received: by x\nFrom: a\n\nx", "1234", TYPE),
        ("Subject: a\n\nx", "a.eml", TYPE),
        ("From a@b Wed Jul 20 17:35:09 2016\nSubject: a\n\nx", "a.eml", TYPE),
        ("From: a\nTo: b\nSubject: c\n\nnotes of a talk", "notes.txt", "text/plain"),
        ("words that are no mail", "a.eml", "text/plain"),
        ("Note: no mail\n\nMIME-Version: is a header", "n.txt", "text/plain"),
        ("a line\nMIME-Version: 1.0", "n.txt", "text/plain"),
    ],
)
def test_what_a_mail_is(tmp_path: Path, data: str, name: str, expected: str) -> None:
    path = tmp_path / "stored"
    path.write_bytes(data.encode())
    assert detect(path, name, None) == expected


_LINES = st.sampled_from(
    [
        "Subject: =?utf-8?q?=C3=BC?= =?x?b?!!?= =?utf-8?b?4?=",
        "Content-Type: multipart/mixed; boundary=b",
        "Content-Type: multipart/alternative; boundary*=utf-8''b",
        "Content-Type: message/rfc822",
        "Content-Type: message/delivery-status",
        "Content-Type: image/png; name*0*=''%ff; name*1=x",
        "Content-Type: text/html; charset*=x''y",
        "Content-Disposition: attachment; filename*=utf-16'en'%00; filename==?utf-8?b?w7w?=",
        "Content-Transfer-Encoding: base64",
        "Content-Transfer-Encoding: x-uuencode",
        "begin 644 a",
        "--b",
        "--b--",
        "",
        "w\udcff\x00rds =E4=",
        "<p>words",
    ]
)


@given(st.lists(_LINES, max_size=30))
@settings(max_examples=150, deadline=None)
def test_any_lines_give_a_text_with_its_blocks(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.eml"
    path.write_bytes("\r\n".join(["From: a", *lines]).encode("utf-8", "surrogateescape"))
    (part,) = eml.parse(path)
    assert part.text.startswith("From: a")
    assert all(0 <= block.start < block.end <= len(part.text) for block in part.blocks)
    part.text.encode()  # nothing that a database refuses
    assert all(attachment.name.strip() and attachment.content for attachment in part.attachments)
