"""What must not leave: found in texts, and hidden behind placeholders that can be undone.

A detector says where something private stands. A `Redaction` puts placeholders there, the same
for the same words throughout one request, and puts the words back into the reply, so that its
quotes can still be located. Placeholders are keyed: whoever writes documents cannot guess one
and so have another document's words put in its place.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rag.errors import ConfigurationError
from rag.locate import cuts
from rag.types import Span

_DATE = re.compile(r"\d{1,2}[./-]\d{1,2}[./-](?:19|20)\d\d")
_NO_DIGITS = re.compile(r"\D")
_PLACEHOLDER_HEX = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Private:
    """Something private, and of which kind, such as ``email``."""

    kind: str
    span: Span


class Detector(Protocol):
    """Finds what must not leave. Thread-safe."""

    @property
    def id(self) -> str:
        """What is found, and by which version; a part of the key under which replies are kept."""
        ...

    def find(self, text: str) -> Iterable[Private]:
        """What is private in a text; spans may overlap."""
        ...


class Redaction:
    """Hides what is private in the texts of one request."""

    def __init__(self, detector: Detector, secret: bytes, texts: Sequence[str]) -> None:
        """``texts`` are what the request says; ``secret`` keys the placeholders."""
        self._detector = detector
        self._texts = texts
        scope = hashlib.sha256(json.dumps(list(texts)).encode()).digest()
        self._key = hmac.new(secret, scope, hashlib.sha256).digest()
        self._placeholders: dict[str, str] = {}
        self._originals: dict[str, str] = {}
        for text in texts:
            for start, end, kind in _merged(self._found(text)):
                self._placeholder(text[start:end], kind)
        self._known = sorted(self._placeholders, key=len, reverse=True)

    def hide(self, text: str) -> str:
        """The text with placeholders for all that is private, also where only seen elsewhere."""
        return self._hide(text, self._known, _as_it_is)

    def hide_said(self, text: str) -> str:
        """The same for what a model said as JSON, or meant to."""
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return self._hide(text, list(map(_in_json, self._known)), _out_of_json)
        return json.dumps(self._hide_each(value), ensure_ascii=False)

    def _hide_each(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.hide(value)
        if isinstance(value, dict):
            return {self.hide(name): self._hide_each(inner) for name, inner in value.items()}
        return list(map(self._hide_each, value)) if isinstance(value, list) else value

    def _hide(self, text: str, known: Sequence[str], words_of: Callable[[str], str]) -> str:
        spans = list(self._found(text))
        for match in re.finditer("|".join(map(re.escape, known)), text) if known else ():
            if not cuts(text, match.start()) and not cuts(text, match.end()):
                spans.append((match.start(), match.end(), ""))
        parts: list[str] = []
        done = 0
        for start, end, kind in _merged(spans):
            parts += [text[done:start], self._placeholder(words_of(text[start:end]), kind)]
            done = end
        return "".join([*parts, text[done:]])

    def restore(self, text: str, *, is_json: bool = False) -> str:
        """The text with the words themselves; ``is_json`` when it is to be read as JSON."""
        if not self._originals:
            return text

        def original(match: re.Match[str]) -> str:
            words = self._originals[match[0]]
            return _in_json(words) if is_json else words

        return re.sub("|".join(map(re.escape, self._originals)), original, text)

    def _found(self, text: str) -> Iterator[tuple[int, int, str]]:
        return ((one.span.start, one.span.end, one.kind) for one in self._detector.find(text))

    def _placeholder(self, words: str, kind: str) -> str:
        if words not in self._placeholders:
            name = re.sub(r"\W", "", kind).upper() or "PRIVATE"
            made = next(made for made in self._candidates(words, name) if not self._is_taken(made))
            self._placeholders[words] = made
            self._originals[made] = words
        return self._placeholders[words]

    def _candidates(self, words: str, name: str) -> Iterator[str]:
        attempt = 0
        while True:
            seed = json.dumps([attempt, words]).encode()
            digest = hmac.new(self._key, seed, hashlib.sha256).hexdigest()
            yield f"[{name}_{digest[:_PLACEHOLDER_HEX]}]"
            attempt += 1

    def _is_taken(self, made: str) -> bool:
        return made in self._originals or any(made in text for text in self._texts)


def _merged(spans: Iterable[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """The spans in order, those that overlap as one of the first one's kind."""
    made: list[tuple[int, int, str]] = []
    for start, end, kind in sorted(spans, key=lambda span: (span[0], -span[1])):
        if start == end:
            continue
        if made and start < made[-1][1]:
            first, last, named = made[-1]
            made[-1] = (first, max(last, end), named or kind)
        else:
            made.append((start, end, kind))
    return made


def _in_json(words: str) -> str:
    """The words as a JSON string has them between its quotation marks."""
    return json.dumps(words, ensure_ascii=False)[1:-1]


def _as_it_is(words: str) -> str:
    return words


def _out_of_json(words: str) -> str:
    try:
        plain: str = json.loads(f'"{words}"')
    except ValueError:
        return words
    return plain


def _luhn(words: str) -> bool:
    """Whether the check digit of a card number is right (ISO/IEC 7812-1)."""
    digits = [int(digit) for digit in reversed(_NO_DIGITS.sub("", words))]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
    return 13 <= len(digits) <= 19 and (sum(digits[::2]) + sum(doubled)) % 10 == 0


def _iban(words: str) -> bool:
    """Whether the check digits of an account number are right (ISO 13616)."""
    plain = words.replace(" ", "")
    return int("".join(str(int(one, 36)) for one in plain[4:] + plain[:4])) % 97 == 1


def _phone(words: str) -> bool:
    return 8 <= len(_NO_DIGITS.sub("", words)) <= 15 and not _DATE.match(words)


def _any(_: str) -> bool:
    return True


_PATTERNS: Mapping[str, tuple[re.Pattern[str], Callable[[str], bool]]] = {
    "email": (re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"), _any),
    "phone": (
        re.compile(
            r"(?<![\w./+-])"
            r"(?:(?:\+\d{1,3}|\(\d{2,5}\)|0\d)[\d ()./-]{3,18}\d|\d{3}-\d{3}-\d{4})(?!\w)",
            re.ASCII,
        ),
        _phone,
    ),
    "iban": (
        re.compile(
            r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)", re.ASCII
        ),
        _iban,
    ),
    "card": (re.compile(r"(?<![\w-])\d(?:[ -]?\d){12,18}(?![\w-])", re.ASCII), _luhn),
}
KINDS = tuple(_PATTERNS)


class PatternDetector:
    """Finds what has a form of its own: addresses and numbers. Names have none."""

    def __init__(self, kinds: Iterable[str]) -> None:
        """Look for these kinds.

        Raises:
            ConfigurationError: There is no such kind; the message lists those that there are.
        """
        self._kinds = tuple(dict.fromkeys(kinds))
        for kind in self._kinds:
            if kind not in _PATTERNS:
                known = ", ".join(KINDS)
                raise ConfigurationError(f"Nothing finds {kind!r} to redact; there are: {known}.")

    @property
    def id(self) -> str:
        """The kinds looked for, and the version of the patterns."""
        return "patterns-1:" + ",".join(self._kinds)

    def find(self, text: str) -> Iterator[Private]:
        """Where one of the kinds stands, numbers only with right check digits."""
        for kind in self._kinds:
            pattern, is_one = _PATTERNS[kind]
            for match in pattern.finditer(text):
                if is_one(match[0]):
                    yield Private(kind=kind, span=Span(start=match.start(), end=match.end()))
