"""E-mails as Outlook saves them (MSG), and its notes, tasks and appointments."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from email.parser import HeaderParser
from email.policy import compat32
from email.utils import format_datetime
from pathlib import Path
from typing import TypeVar

from olefile import OleFileIO
from oxmsg.domain import constants as c
from oxmsg.properties import Properties
from oxmsg.storage import Storage

from ingest.parse.mail import HEADERS, Mail, decode_words
from ingest.parse.parts import Part
from rag.errors import CorruptDocument
from rag.types import Attachment

_Value = TypeVar("_Value")

# Where the properties begin (MS-OXMSG 2.4.1): in a file, in a message within one, in the others.
_TOP, _EMBEDDED, _OTHER = 32, 24, 8
_BY_VALUE, _MESSAGE = 1, 5
_MESSAGE_STORAGE = "__substg1.0_3701000D"
_DEEPEST = 10


def parse(path: Path) -> Iterator[Part]:
    """The whole mail as one part: headers, body, and the files attached to it.

    A mail within the mail is no file of its own in this format: its text follows.

    Raises:
        CorruptDocument: It is damaged.
        EmptyDocument: It has neither headers nor anything else.
    """
    try:
        with OleFileIO(path) as ole:
            storage = Storage.from_ole(ole)
        yield _read(storage, _TOP, 0).part()
    except (OSError, KeyError, struct.error, AttributeError) as error:
        raise CorruptDocument("the Outlook message is damaged") from error


def _read(storage: Storage, offset: int, depth: int) -> Mail:
    properties = Properties(storage, properties_header_offset=offset)
    mail = Mail(headers=_headers(properties))
    text = _found(lambda: properties.str_prop_value(c.PID_BODY)) or ""
    page = _found(lambda: properties.binary_prop_value(c.PID_HTML))
    if text.strip() or not page:
        mail.add_text(text.encode("utf-8", "replace"), "utf-8")
    else:
        mail.add_page(page, _found(lambda: properties.body_encoding))
    for attached in storage.iter_attachment_storages():
        _attach(mail, attached, depth)
    return mail


def _headers(properties: Properties) -> dict[str, str]:
    """The headers that the mail travelled with, else what Outlook knows."""
    sent = HeaderParser(policy=compat32).parsestr(
        _text(properties, c.PID_TRANSPORT_MESSAGE_HEADERS)
    )
    date = _found(lambda: properties.date_prop_value(c.PID_CLIENT_SUBMIT_TIME))
    known = {
        "From": _sender(properties),
        "To": _text(properties, c.PID_DISPLAY_TO),
        "Cc": _text(properties, c.PID_DISPLAY_CC),
        "Date": format_datetime(date) if date else "",
        "Subject": _text(properties, c.PID_SUBJECT),
    }
    raw = {name: str(sent.get(name) or known[name]) for name in HEADERS}
    raw["Subject"] = known["Subject"] or raw["Subject"]
    return {name: decode_words(value.replace("\0", "")) for name, value in raw.items()}


def _sender(properties: Properties) -> str:
    name = _text(properties, c.PID_SENDER_NAME) or _text(properties, c.PID_SENT_REPRESENTING_NAME)
    addresses = (
        _text(properties, key) for key in (c.PID_SENDER_SMTP_ADDRESS, c.PID_SENDER_EMAIL_ADDRESS)
    )
    # Within one organization the address is a path in its directory, and tells nobody anything.
    address = next((one for one in addresses if "@" in one), "")
    return f"{name} <{address}>" if name and address and name != address else name or address


def _attach(mail: Mail, storage: Storage, depth: int) -> None:
    properties = Properties(storage, properties_header_offset=_OTHER)
    name = _text(properties, c.PID_ATTACH_LONG_FILENAME) or _text(properties, c.PID_ATTACH_FILENAME)
    name = name.replace("\0", "") or f"attachment-{len(mail.attachments) + 1}"
    method = _found(lambda: properties.int_prop_value(c.PID_ATTACH_METHOD))
    if method == _MESSAGE:
        inner = next((one for one in storage.storages if one.name == _MESSAGE_STORAGE), None)
        if inner is None or depth >= _DEEPEST:
            mail.warnings.append(f"the message {name!r} inside it was left out")
            return
        _take_in(mail, _read(inner, _EMBEDDED, depth + 1))
    elif method == _BY_VALUE:
        content = _found(lambda: properties.binary_prop_value(c.PID_ATTACH_DATA_BINARY)) or b""
        kind = _text(properties, c.PID_ATTACH_MIME_TAG) or None
        inline = bool(_text(properties, c.PID_ATTACH_CONTENT_ID))
        mail.attach(Attachment(name=name, content=content, media_type=kind), inline=inline)
    else:
        mail.warnings.append(f"the attachment {name!r} is a link or an object, and was left out")


def _take_in(mail: Mail, inner: Mail) -> None:
    """A message within the message: its headers and text follow, its files are files of both."""
    part = inner.part()
    mail.bodies.append(Part(text=part.text, blocks=part.blocks))
    mail.attachments += part.attachments
    mail.warnings += part.warnings


def _text(properties: Properties, key: int) -> str:
    return _found(lambda: properties.str_prop_value(key)) or ""


def _found(read: Callable[[], _Value]) -> _Value | None:
    """A property; ``None`` when it is missing, or is not what it claims to be."""
    try:
        return read()
    except (KeyError, AttributeError, ValueError, LookupError, OverflowError, struct.error):
        return None
