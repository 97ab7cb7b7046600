"""Bytes to text: byte order marks, UTF-16 and UTF-32 without them, and legacy encodings."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from itertools import pairwise

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\f\b\x0b\x15\x1a\x1b"))
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_PROBE = 1 << 18
_CASES = 4096
_FEW_CONTROLS = 0.02
_FEW_DAMAGED = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """Text without its byte order mark; ``exact`` is false where bytes had to be replaced."""

    text: str
    encoding: str
    exact: bool = True


def storable(text: str) -> str:
    """Replace what a database cannot store by U+FFFD, one code point for one.

    NUL and lone surrogates are the only such code points; because each becomes exactly one
    replacement character, offsets into the text stay what they were.
    """
    return _UNSTORABLE.sub("\ufffd", text)


def unicode_encoding(data: bytes) -> tuple[str, int] | None:
    """Encoding and length of its mark when the bytes show that they are some UTF.

    UTF-16 and UTF-32 without a mark are recognized by where their zero bytes stand.
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return encoding, len(mark)
    probe = data[: 4096 & -4]
    if len(probe) >= 4 and b"\x00" in probe:
        return _unmarked(probe)
    return None


def _unmarked(probe: bytes) -> tuple[str, int] | None:
    whole = probe[: len(probe) & -4]
    zeros = [whole[lane::4].count(0) / (len(whole) // 4) for lane in range(4)]
    if zeros[3] == 1 and zeros[2] > 0.9 and zeros[0] < 0.1:
        return "utf-32-le", 0
    if zeros[0] == 1 and zeros[1] > 0.9 and zeros[3] < 0.1:
        return "utf-32-be", 0
    even, odd = (zeros[0] + zeros[2]) / 2, (zeros[1] + zeros[3]) / 2
    if odd > 0.3 and even < 0.05:
        return "utf-16-le", 0
    if even > 0.3 and odd < 0.05:
        return "utf-16-be", 0
    return None


def looks_like_text(head: bytes) -> bool:
    """Whether the first bytes of a file are text in some encoding rather than binary data."""
    known = unicode_encoding(head)
    if known is not None:
        text = head[known[1] :].decode(known[0], "replace")
        odd = sum(text.count(mark) for mark in ("\ufffd", "\x00", "\x01", "\x02", "\uffff"))
        return odd <= max(1, len(text) * _FEW_CONTROLS)
    if head.count(0) > len(head) * 0.001:
        return False
    return len(head) - len(head.translate(None, _CONTROLS)) <= len(head) * _FEW_CONTROLS


def decode(data: bytes, declared: str | None = None) -> Decoded:
    """Decode a whole file; ``declared`` is the charset that the file itself claims.

    UTF-8 that decodes is believed before any claim: text in another encoding hardly ever
    happens to be valid UTF-8, while wrong claims are common.
    """
    known = unicode_encoding(data)
    if known is not None:
        return _replacing(data[known[1] :], known[0])
    strict = _strict(data, "utf-8") or (declared and _strict(data, declared))
    if strict:
        return strict
    mended = _replacing(data, "utf-8")
    high = len(data) - len(data.translate(None, bytes(range(128, 256))))
    if mended.text.count("\ufffd") <= high * _FEW_DAMAGED:
        return mended
    guess = _guess(data)
    return _strict(data, guess) or _replacing(data, guess)


def _strict(data: bytes, encoding: str) -> Decoded | None:
    try:
        return Decoded(text=data.decode(encoding), encoding=encoding)
    except (UnicodeError, LookupError):
        return None


def _replacing(data: bytes, encoding: str) -> Decoded:
    text = data.decode(encoding, "replace")
    exact = "\ufffd" not in text or _strict(data, encoding) is not None
    return Decoded(text=text, encoding=encoding, exact=exact)


def _guess(data: bytes) -> str:
    from charset_normalizer import from_bytes  # slow to import, seldom needed

    # Statistics need the bytes that differ between encodings: begin where they begin.
    first = re.search(rb"[\x80-\xff]", data)
    start = max(0, first.start() - 1024) if first else 0
    matches = list(from_bytes(data[start : start + _PROBE]))
    if not matches:
        return "cp1252"
    likely = [match for match in matches if match.chaos <= matches[0].chaos + 0.02]
    return min(likely, key=lambda match: _turned(str(match)[:_CASES])).encoding


def _turned(text: str) -> int:
    """Capitals inside words: Cyrillic read in a wrong encoding comes out with cases turned."""
    return sum(a.islower() and b.isupper() for a, b in pairwise(text))
