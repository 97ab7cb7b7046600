"""E-mails as mail programs store and send them (RFC 5322, MIME)."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32
from pathlib import Path
from typing import TypeAlias

from ingest.parse.mail import HEADERS, Mail, decode_words
from ingest.parse.parts import Part
from rag.types import Attachment

_Node: TypeAlias = "Message[str, str]"

_MAILS = ("message/rfc822", "message/global", "message/news")
_SIGNATURES = (
    "application/pgp-signature",
    "application/pkcs7-signature",
    "application/x-pkcs7-signature",
)
_LOCKED = ("application/pkcs7-mime", "application/x-pkcs7-mime", "application/pgp-encrypted")
_BODIES = ("text/plain", "text/html", "text/rfc822-headers")
_TEXTUAL = ("text/plain", "text/html")


def parse(path: Path) -> Iterator[Part]:
    """The whole mail as one part: headers, body, and the files attached to it.

    A mail within the mail is such a file.

    Raises:
        EmptyDocument: It has neither headers nor anything else.
    """
    # The parser of headers that the newer policies bring fails on many that are found in the
    # wild, or takes very long; headers are decoded below, as far as they are shown.
    with path.open("rb") as file:
        message = BytesParser(policy=compat32).parse(file)
    reader = _Reader(message)
    reader.walk(message)
    yield reader.mail.part()


class _Reader:
    """Sorts the parts of a mail into bodies and attachments."""

    def __init__(self, message: _Node) -> None:
        self.mail = Mail(headers={name: _header(message, name) for name in HEADERS})

    def walk(self, node: _Node) -> None:
        """Take in a part with all below it."""
        kind, children = node.get_content_type(), _children(node)
        if kind == "multipart/encrypted" or kind in _LOCKED:
            if node.get_param("smime-type") != "signed-data":
                self.mail.warnings.append("the text of the e-mail is encrypted and was not read")
            else:
                self.mail.warnings.append("the text of the e-mail is wrapped in a signature")
        elif kind in _MAILS and children:
            self._attach_mail(children[0])
        elif kind == "multipart/alternative":
            self._alternatives(children)
        elif children:
            for child in children:
                self.walk(child)
        elif kind not in _SIGNATURES:
            self._leaf(node, kind)

    def _alternatives(self, children: list[_Node]) -> None:
        """The plainest of several forms of one text; files may hang on any of them."""
        chosen = next((child for child in children if _says_plainly(child)), None)
        if chosen is None:
            chosen = next((child for child in children if _find(child, "text/html")), None)
        for child in children:
            if child is chosen or chosen is None:
                self.walk(child)
            elif child.get_content_type() not in _TEXTUAL:
                self._files_only(child)

    def _files_only(self, node: _Node) -> None:
        bodies = len(self.mail.bodies)
        self.walk(node)
        del self.mail.bodies[bodies:]

    def _leaf(self, node: _Node, kind: str) -> None:
        disposition = node.get_content_disposition()
        named = node.get_filename() is not None and bool(self.mail.bodies)
        if disposition == "attachment" or named or not (kind in _BODIES or _is_multipart(node)):
            self._attach(node, kind)
        elif kind == "text/html":
            self.mail.add_page(_content(node), node.get_param("charset") and _charset(node))
        else:
            self.mail.add_text(_content(node), _charset(node))

    def _attach(self, node: _Node, kind: str) -> None:
        inline = node.get_content_disposition() == "inline" or "content-id" in node
        name = _file_name(node) or self._made_up(mimetypes.guess_extension(kind) or "")
        content = Attachment(name=name, content=_content(node), media_type=kind)
        self.mail.attach(content, inline=inline)

    def _attach_mail(self, message: _Node) -> None:
        subject = _header(message, "Subject").replace("/", " ")[:100]
        name = f"{subject}.eml" if subject else self._made_up(".eml")
        try:
            content = message.as_bytes(policy=compat32)
        except (UnicodeError, LookupError, KeyError):  # 8-bit text that denies being such
            self.mail.warnings.append(f"the e-mail {name!r} inside it is damaged")
            return
        self.mail.attach(
            Attachment(name=name, content=content, media_type="message/rfc822"), inline=False
        )

    def _made_up(self, extension: str) -> str:
        return f"attachment-{len(self.mail.attachments) + 1}{extension}"


def _children(node: _Node) -> list[_Node]:
    payload = node.get_payload() if node.is_multipart() else ()
    return [child for child in payload if isinstance(child, Message)]


def _is_multipart(node: _Node) -> bool:
    """Whether it says so of itself; without children, its boundary never came."""
    return node.get_content_maintype() == "multipart"


def _find(node: _Node, kind: str) -> _Node | None:
    """The first part of that type which is not a file."""
    return next(
        (
            part
            for part in node.walk()
            if part.get_content_type() == kind and part.get_content_disposition() != "attachment"
        ),
        None,
    )


def _says_plainly(node: _Node) -> bool:
    plain = _find(node, "text/plain")
    return plain is not None and not _children(plain) and bool(_content(plain).strip())


def _content(node: _Node) -> bytes:
    content = node.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _charset(node: _Node) -> str | None:
    charset = node.get_param("charset")
    return charset if isinstance(charset, str) else None


def _file_name(node: _Node) -> str:
    name = node.get_filename()
    return decode_words(name) if name else ""


def _header(message: _Node, name: str) -> str:
    """All values of a header, decoded, on one line."""
    found = [value for key, value in message.raw_items() if key.lower() == name.lower()]
    return ", ".join(filter(None, (decode_words(str(value)) for value in found)))
