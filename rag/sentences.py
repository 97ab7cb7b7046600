"""Where sentences begin and end, in running text and in what PDFs make of it.

Works from punctuation and layout alone, in one pass per rule, for scripts with and
without spaces. Lines that only wrap are joined; headings, list items and table rows stand
for themselves.
"""

# Word lists read best as strings, and the punctuation of other scripts is meant.
# ruff: noqa: RUF001, SIM905
from __future__ import annotations

import re
from collections.abc import Iterator

from rag.types import Span

# Never the end of a sentence before another word.
_INNER = frozenset(
    "mr mrs ms messrs dr prof st mt vs v cf e.g i.e viz fig figs eq eqs sec secs art arts vol "
    "vols pp pgs para paras ch no nos nr dept est approx ca abs ziff bzw vgl z.b d.h u.a s.o i.d.r "
    "ggf evtl sog zzgl inkl gem usf mme mlle sr sra srta dª núm pág ing gen col lt sgt capt rev "
    "hon gov sen rep jan feb mar apr jun jul aug sep sept oct nov dec bd hrsg aufl tel "
    "mio mrd".split()
)
# May also close a sentence: what follows decides.
_EITHER = frozenset(
    "inc corp ltd pte pty co llc bros plc etc al jr sr a.m p.m usw u.s u.k e.u ph.d dipl kfm "
    "habil".split()
)
_STARTERS = frozenset(
    "the a an this that these those it its in on at for as if we our he she they his her their "
    "there when while although however but and by to with under during since after before all "
    "no such each any upon der die das ein eine es er sie wir im".split()
)
_MONTHS = frozenset(
    "januar jänner februar märz april mai juni juli august september oktober november "
    "dezember".split()
)
# Words before a German ordinal such as "am 3. Quartal".
_BEFORE_ORDINAL = frozenset("am im der dem den des die das zum vom bis seit ab und".split())
# A sentence, a heading or an item does not end with one of these.
_OPEN = frozenset(
    "a an the of on in at by to for from with and or nor but not as than that which is are was "
    "were be der die das des dem den von im am und oder mit für".split()
)
# Words before the number of a heading such as "Item 1. Business".
_NUMBERED = frozenset("item note section article chapter part table figure exhibit".split())

_STOP = re.compile(
    r"[。！？｡]+[」』”’）)\]\"']*"
    r"|(?:[.!?…؟۔।॥‽]+)(?:[\"'”’»)\]]*)(?:\[\d{1,3}\])*(?=\s)"
)
_LINE = re.compile(r"[^\r\n\f\v\x85\u2028\u2029]+")
_MARKED = re.compile(r"[•‣▪●○◦■□–—*·-]\s+\S|#{1,6}\s|\||\(?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{2,5})\)\s")
_NUMBERED_ITEM = re.compile(r"(?!0)\d{1,2}(?:(?:\.\d{1,2}){1,3}\.?|\.|(?=\s+[^\W\d_a-z]))\s+\D")
_ENUMERATOR = re.compile(r"\s*\(?(?:\d{1,3}|[A-Za-z]|[ivxIVX]{2,5})$")
_ROW = re.compile(r"\t|\S\s*\|\s*\S|\S {3,}\S.*\S {3,}\S")
_AMOUNT = re.compile(r"[-(]?[$€£¥]?\d[\d.,]*%?\)?(?=\s|$)|(?<!\S)[—–-](?!\S)")
_MONEY = re.compile(r"\s[-(]?[$€£¥]?\d[\d,]*[.,]\d\d\)?$")
_LETTERS = re.compile(r"[^\W\d_]+")
_WORD_BEFORE = re.compile(r"[^\W_](?:[\w.'’-]*\w)?$")
_TITLE = re.compile(r"(?:dipl|dr)\.(?:-\w+\.?)*-\w+")  # "Dipl.-Ing.", "Dr.-Ing."
_TOKEN_AFTER = re.compile(r"\s*[\"'“‘„«(\[]*([\w]+)")
_THAI = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")
# Scripts without full stops are cut at a space after this many characters; any sentence
# at a space after that many.
_THAI_LENGTH, _LONGEST = 90, 1_200


def split(text: str) -> list[Span]:
    """Spans of the sentences of a text, in order.

    Together they cover every character that is not white space; none begins or ends with
    white space.
    """
    spans: list[Span] = []
    for start, end in _blocks(text):
        first = start
        for cut in (*_stops(text, start, end), end):
            spans.extend(_bounded(text, first, cut))
            first = cut
    return spans


def _blocks(text: str) -> Iterator[tuple[int, int]]:
    """Stretches in which line breaks only wrap: paragraphs, headings, items, rows."""
    lines = [match.span() for match in _LINE.finditer(text)]
    lengths = sorted(end - start for start, end in lines)
    full = lengths[int(len(lengths) * 0.8)] if lengths else 0
    first: int | None = None
    for at, (start, end) in enumerate(lines):
        if first is None:
            first = start
        if at + 1 == len(lines):
            yield first, end
        elif _breaks(text, (start, end), lines[at + 1], full):
            yield first, end
            first = None


def _breaks(text: str, line: tuple[int, int], following: tuple[int, int], full: int) -> bool:
    """Whether the end of a line also ends what it says."""
    gap = text[line[1] : following[0]]
    here, after = text[slice(*line)].strip(), text[slice(*following)].strip()
    if not here or not after or "\f" in gap or gap.replace("\r\n", "\n").count("\n") > 2:
        return True
    if _is_row(here) or _is_row(after) or _MARKED.match(after) or here.startswith("#"):
        return True
    # Wide line spacing may look like the end of a paragraph.
    if here[-1] in ",-–(/&" or here.rpartition(" ")[2].casefold() in _OPEN:
        return False
    if after[0].islower() and here[-1] not in ".:;!?" and len(here) > 0.6 * full:
        return False
    if gap.replace("\r\n", "\n").count("\n") > 1:
        return True
    short = len(here) < 0.6 * full
    if _NUMBERED_ITEM.match(after) and (short or here[-1] in ".:;?!)"):
        return True
    if here.isupper() != after.isupper() and len(here) > 3 and not after[0].islower():
        return True
    return short and here[-1] not in ";—" and not after[0].islower()


def _is_row(line: str) -> bool:
    """Whether a line is a row of a table: cells apart, or mostly amounts after a label."""
    if _ROW.search(line):
        return True
    amounts = len(_AMOUNT.findall(line))
    enough = amounts >= 2 or _MONEY.search(line) is not None
    return enough and amounts * 3 >= len(line.split()) and line[-1] not in ".;"


def _stops(text: str, start: int, end: int) -> Iterator[int]:
    """Offsets at which sentences of a block end, the last excepted."""
    first = start
    for match in _STOP.finditer(text, start, end):
        if match.end() < end and _ends(text, first, match, end):
            yield match.end()
            first = match.end()


def _ends(text: str, first: int, stop: re.Match[str], end: int) -> bool:
    """Whether a mark that may end a sentence does end it."""
    mark = stop.group()
    if mark[0] in "。！？｡؟۔।॥":
        return True
    token = _TOKEN_AFTER.match(text, stop.end(), end)
    following = token.group(1) if token else ""
    if following[:1].islower():
        return False
    if mark[0] != "." or mark.startswith(".."):
        return True
    if _ENUMERATOR.fullmatch(text, first, stop.start()):
        return False
    before = text[max(first, stop.start() - 40) : stop.start()]
    found = _WORD_BEFORE.search(before)
    return found is None or _ends_after(found.group(), following, before[: found.start()])


def _ends_after(word: str, following: str, before: str) -> bool:
    """Whether a full stop after ``word`` ends a sentence, by the words on both sides."""
    low, after = word.casefold(), following.casefold()
    if low in ("no", "art"):  # a word or a number's name: "He said no. Then", "Order No. A-5"
        return not following[:1].isdigit() and not (word[0].isupper() and before.strip())
    if low in _INNER:
        return False
    if (
        low in _EITHER
        or _TITLE.fullmatch(low)
        or (len(word) == 1 and word.isalpha())
        or re.fullmatch(r"(?:\w\.)+\w", word)
    ):
        return after in _STARTERS
    if low.isdigit() and len(low) <= 2:
        last = (_LETTERS.findall(before) or [""])[-1].casefold()
        if last in _NUMBERED:
            return after in _STARTERS
        return after not in _MONTHS and last not in _BEFORE_ORDINAL
    return True


def _bounded(text: str, start: int, end: int) -> Iterator[Span]:
    """Trim white space; cut what is too long, or has no full stops, at white space."""
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    limit = _THAI_LENGTH if _THAI.search(text, start, min(end, start + 40)) else _LONGEST
    while end - start > limit:
        space = re.compile(r"\s+").search(text, start + limit, end)
        if space is None:
            break
        yield Span(start=start, end=space.start())
        start = space.end()
    if start < end:
        yield Span(start=start, end=end)
