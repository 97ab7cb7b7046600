"""Expressions of a kind in a text: dates, money, numbers, names, addresses, and their values."""

# Word lists read best as strings.
# ruff: noqa: SIM905, RUF001
from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from rag.models.offline.dates import dates, durations


class Kind(Enum):
    """What a field holds."""

    DATE = "date"
    DURATION = "duration"
    MONEY = "money"
    PERCENT = "percent"
    NUMBER = "number"
    EMAIL = "email"
    PHONE = "phone"
    URL = "url"
    PERSON = "person"
    ORGANISATION = "organisation"
    NAME = "name"
    PLACE = "place"
    CODE = "code"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An expression at ``[start, end)`` of a text. ``number`` is ``None`` for what is none.

    ``iso`` is the form of dates and durations that formats ask for.
    """

    start: int
    end: int
    text: str
    number: float | None = None
    iso: str | None = None


_CURRENCY = (
    r"(?:[$€£¥₹]|(?:US|A|C|NZ|HK|S)\$|(?:USD|EUR|GBP|CHF|JPY|CNY|RMB|SEK|NOK|DKK|PLN|INR|AUD|CAD)\b"
    r"|(?:dollars?|euros?|pounds?|francs?|yuan)\b|人民币|元)"
)
_AMOUNT = r"(?:\d{1,3}(?:[.,' \u00a0\u202f]\d{3})+(?:[.,]\d{1,4})?|\d+(?:[.,]\d+)?)(?![\d])"
_SCALE = {
    "thousand": 1e3, "tausend": 1e3, "mille": 1e3, "k": 1e3, "million": 1e6, "millions": 1e6,
    "millionen": 1e6, "mio": 1e6, "m": 1e6, "mn": 1e6, "millones": 1e6, "billion": 1e9,
    "milliarden": 1e9, "mrd": 1e9, "bn": 1e9, "milliards": 1e9, "万": 1e4, "亿": 1e8,
}  # fmt: skip
_SCALED = rf"(?:\s?(?P<scale>{'|'.join(sorted(_SCALE, key=len, reverse=True))})(?![A-Za-zÀ-ÿ])\.?)?"
_SIGN = r"(?P<sign>[-−](?=\d))?"
_NUMBER = re.compile(rf"(?<![\w.,/-]){_SIGN}(?P<amount>{_AMOUNT}){_SCALED}", re.IGNORECASE)
_CJK_NUMBER = re.compile(rf"(?<=[\u3040-\u9fff])(?P<sign>-)?(?P<amount>{_AMOUNT}){_SCALED}")
_MONEY = re.compile(
    rf"(?<!\w){_CURRENCY}\s?{_SIGN}(?P<amount>{_AMOUNT}){_SCALED}"
    rf"|(?<![A-Za-z_\d.,]){_SIGN.replace('sign', 'sign2')}(?P<amount2>{_AMOUNT})"
    rf"{_SCALED.replace('scale', 'scale2')}\s?{_CURRENCY}",
    re.IGNORECASE,
)
_PERCENT = re.compile(
    rf"(?<![A-Za-z_\d.,]){_SIGN}(?P<amount>{_AMOUNT})\s?"
    r"(?:%|％|(?:percent|per cent|prozent|pour cent)\b)",
    re.IGNORECASE,
)
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}")
_URL = re.compile(r"(?:https?://|www\.)[^\s<>\"'“”)\]]+[^\s<>\"'“”)\].,;:!?]")
_PHONE = re.compile(
    r"(?<![\w.,/-])(?:\+\d{1,3}[\s./-]?)?(?:\(\d{1,5}\)[\s./-]?)?"
    r"\d{2,8}(?:[\s./-]\d{2,8}){1,5}(?![\w])"
)
_CODE = re.compile(
    r"(?<![\w.,-])(?=[\w/-]{0,40}\d)[A-Z0-9][A-Za-z0-9]*(?:[/-][A-Za-z0-9]+)*(?![\w-])"
)

_SUFFIX = (
    r"(?:Incorporated|Inc|Corporation|Corp|Company|Co|Limited|Ltd|LLC|L\.L\.C|LLP|L\.L\.P|LP|L\.P|"
    r"PLC|plc|GmbH|AG|KG|SE|SA|S\.A|SAS|SARL|S\.r\.l|SpA|S\.p\.A|BV|B\.V|NV|N\.V|Pty|Pte|AB|Oy|"
    r"Holdings?|Group|Partners|Bank|Trust|University|Institute|Foundation)"
)
_PART = r"(?:[A-ZÀ-ÖØ-ÞА-Я0-9][\w'’.¢-]*|[A-Z]\.)"
_LINK = r"(?:\s+(?:&|of|the|de|du|von|van|der|den|la|for)){1,2}"
_AND = r"\s+and\s+(?:Partners|Sons|Company|Co|Associates|Brothers|Daughters)\b"
_NAME = re.compile(
    rf"[A-ZÀ-ÖØ-ÞА-Я][\w'’.&-]*(?:\s+&\s+{_PART}|,?\s+{_SUFFIX}\b\.?|\s+{_PART}|{_AND}|{_LINK}\s+{_PART})*"
)
_ENDS_AS_COMPANY = re.compile(rf"(?:^|[\s,.])({_SUFFIX})\.?(?=$|[\s,])")
_TITLE = re.compile(r"^(?:Mr|Mrs|Ms|Miss|Dr|Prof|Professor|Herr|Frau|Sir|Dame|M|Mme|Sr|Sra)\.?\s+")
_NO_NAMES = frozenset(
    "agreement this the these a an it in on at of and for to by with that such any each all no if "
    "contract party parties section article exhibit schedule appendix whereas now therefore "
    "confidentiality confidential information non-disclosure nondisclosure mutual company "
    "employee employer executive recipient disclosing receiving january february march april may "
    "june july august september october november december monday tuesday wednesday thursday "
    "friday saturday sunday dear re subject date page law state commonwealth recitals ladies "
    "gentlemen purchaser seller buyer note notice i we you he she they our your however but "
    "chief officer president director name title signature effective der die das ein eine und "
    "le la les un une et el los las un una y".split()
)
_ABBREVIATED = re.compile(r"(?:\b[A-Z]|Inc|Ltd|Corp|Co|Jr|Sr|L\.P|C)\.$")
_LONGEST_NAME = 8
# "a Delaware corporation": the name of a place that says which.
_A_KIND_OF = re.compile(
    r"\s+(?:(?:limited|general|non-?profit|public|professional)\s+)?(?:liability\s+)?"
    r"(?:corporation|company|partnership|bank|law|resident)\b"
)
_CJK_NAME = re.compile(r"[\u4e00-\u9fff]{2,20}?(?:有限公司|公司|集团|银行|大学)")


def find(kind: Kind, text: str) -> list[Found]:
    """All expressions of a kind, in order."""
    return list(_FINDERS[kind](text))


def number(said: str, *, money: bool = False) -> float:
    """The value of digits with separators: ``1,234.5``, ``1.234,5``, ``1 234``, ``12,5``.

    ``1,234`` is a thousand and more; ``1.234`` is that of money only.
    """
    said = re.sub(r"[\s'\u00a0\u202f]", "", said)
    decimal = max(said.rfind(","), said.rfind("."))
    if decimal >= 0:
        mark = said[decimal]
        groups = said[:decimal].count(mark) > 0
        triple = len(said) - decimal - 1 == 3 and not said.startswith("0")
        alone = "." not in said or "," not in said
        if groups or (alone and triple and (mark == "," or money)):
            decimal = -1
    whole, fraction = (said, "") if decimal < 0 else (said[:decimal], said[decimal + 1 :])
    return float(f"{re.sub('[.,]', '', whole) or 0}.{fraction or 0}")


def _found(match: re.Match[str], value: float | None = None) -> Found:
    return Found(start=match.start(), end=match.end(), text=match.group(), number=value)


def _value(match: re.Match[str], *, money: bool = False) -> float:
    parts = match.groupdict()
    amount = parts["amount"] or parts["amount2"] or ""
    scale = parts.get("scale") or parts.get("scale2")
    value = number(amount, money=money) * (_SCALE[scale.casefold()] if scale else 1)
    value = round(value, 6)
    return -value if parts.get("sign") or parts.get("sign2") else value


def _numbers(text: str) -> Iterator[Found]:
    found = [*_NUMBER.finditer(text), *_CJK_NUMBER.finditer(text)]
    for match in sorted(found, key=re.Match.start):
        yield _found(match, _value(match))


def _money(text: str) -> Iterator[Found]:
    for match in _MONEY.finditer(text):
        yield _found(match, _value(match, money=True))


def _percent(text: str) -> Iterator[Found]:
    for match in _PERCENT.finditer(text):
        yield _found(match, _value(match))


def _dates(text: str) -> Iterator[Found]:
    for start, end, iso in dates(text):
        yield Found(start=start, end=end, text=text[start:end], iso=iso)


def _durations(text: str) -> Iterator[Found]:
    for start, end, said, iso in durations(text):
        count = float(said.split()[0])
        yield Found(start=start, end=end, text=said, number=count, iso=iso)


def _phones(text: str) -> Iterator[Found]:
    days = [(start, end) for start, end, _ in dates(text)]
    for match in _PHONE.finditer(text):
        digits = sum(map(str.isdigit, match.group()))
        inside = any(start < match.end() and match.start() < end for start, end in days)
        if not inside and 7 <= digits <= 15:
            yield _found(match)


def _codes(text: str) -> Iterator[Found]:
    """What numbers and letters name: no dates, and no short numbers."""
    days = [(start, end) for start, end, _ in dates(text)]
    for match in _CODE.finditer(text):
        inside = any(start < match.end() and match.start() < end for start, end in days)
        if not inside and len(match.group()) > 2:
            yield _found(match)


def _plain(expression: re.Pattern[str]) -> Callable[[str], Iterator[Found]]:
    return lambda text: map(_found, expression.finditer(text))


def _names(text: str) -> Iterator[Found]:
    """Names as capitals show them: not words that open sentences, nor defined terms in quotes."""
    for match in _NAME.finditer(text):
        parts = list(re.finditer(r"\S+", match.group()))
        while parts and _bare(parts[0].group()) in _NO_NAMES:
            parts.pop(0)
        while parts and (
            _bare(parts[-1].group()) in _NO_NAMES and not _ENDS_AS_COMPANY.search(parts[-1].group())
        ):
            parts.pop()
        if not parts:
            continue
        start, end = match.start() + parts[0].start(), match.start() + parts[-1].end()
        name = text[start:end].rstrip(",")
        if name.endswith(".") and not _ABBREVIATED.search(name):
            name = name[:-1]
        quoted = text[max(0, start - 1) : start] in ("“", '"', "‘", "„")
        kind_of = _A_KIND_OF.match(text, start + len(name)) is not None
        opens = len(parts) == 1 and not text[:start].strip() and len(text) > end
        sized = sum(map(str.isalpha, name)) > 1 and len(parts) <= _LONGEST_NAME
        if sized and not (quoted or kind_of or opens):
            yield Found(start=start, end=start + len(name), text=name)
    yield from map(_found, _CJK_NAME.finditer(text))


def _bare(word: str) -> str:
    return word.strip(".,'’").casefold()


def _organisations(text: str) -> Iterator[Found]:
    for one in _names(text):
        if _ENDS_AS_COMPANY.search(one.text) or _CJK_NAME.fullmatch(one.text):
            yield one


def _persons(text: str) -> Iterator[Found]:
    for one in _names(text):
        bare = _TITLE.sub("", one.text)
        count = len(bare.split())
        titled = bare != one.text
        if _ENDS_AS_COMPANY.search(one.text) or not (titled or 2 <= count <= 4):
            continue
        if all(
            re.fullmatch(r"[^\W\d_][\w'’-]*|[A-Z]\.?|van|von|de|der|den|la|du", w)
            for w in bare.split()
        ):
            start = one.end - len(bare)
            yield Found(start=start, end=one.end, text=bare)


def _places(text: str) -> Iterator[Found]:
    for one in _names(text):
        if one.text.casefold().endswith((" court", " courts")):
            continue
        said = re.sub(r"^.* (?:of|OF) (?=[A-Z])", "", one.text)
        if not _ENDS_AS_COMPANY.search(one.text):
            yield Found(start=one.end - len(said), end=one.end, text=said)


_FINDERS: Mapping[Kind, Callable[[str], Iterator[Found]]] = {
    Kind.DATE: _dates,
    Kind.DURATION: _durations,
    Kind.MONEY: _money,
    Kind.PERCENT: _percent,
    Kind.NUMBER: _numbers,
    Kind.EMAIL: _plain(_EMAIL),
    Kind.PHONE: _phones,
    Kind.URL: _plain(_URL),
    Kind.PERSON: _persons,
    Kind.ORGANISATION: _organisations,
    Kind.NAME: _names,
    Kind.PLACE: _places,
    Kind.CODE: _codes,
}
