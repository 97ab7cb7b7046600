"""Numbers of workbooks and charts as a person sees them: format codes such as ``#,##0.00 "kg"``.

ECMA-376 part 1, 18.8.30 and 18.8.31: up to four sections for positive, negative, zero and text,
or sections with conditions. What depends on the reader's own country, short dates above all,
is written in the order year, month, day. A code that makes no sense shows the number as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from functools import lru_cache

from ingest.parse.date_format import DATE_TOKEN, format_date

# fmt: off
BUILT_IN = {
    0: "General", 1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00",
    5: '"$"#,##0;-"$"#,##0', 6: '"$"#,##0;-"$"#,##0',
    7: '"$"#,##0.00;-"$"#,##0.00', 8: '"$"#,##0.00;-"$"#,##0.00',
    9: "0%", 10: "0.00%", 11: "0.00E+00", 12: "# ?/?", 13: "# ??/??",
    14: "yyyy-mm-dd", 15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy", 18: "h:mm AM/PM",
    19: "h:mm:ss AM/PM", 20: "h:mm", 21: "h:mm:ss", 22: "yyyy-mm-dd h:mm",
    37: "#,##0;(#,##0)", 38: "#,##0;(#,##0)", 39: "#,##0.00;(#,##0.00)",
    40: "#,##0.00;(#,##0.00)", 41: "#,##0;(#,##0)", 42: '"$"#,##0;("$"#,##0)',
    43: "#,##0.00;(#,##0.00)", 44: '"$"#,##0.00;("$"#,##0.00)',
    45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss.0", 48: "##0.0E+0", 49: "@",
} | dict.fromkeys((*range(27, 32), 34, 35, 36, *range(50, 59)), "yyyy-mm-dd") \
  | {32: "h:mm:ss", 33: "h:mm:ss"}
# fmt: on

_TOKENS = re.compile(
    rf"""
    "(?P<quoted>[^"]*)"? | \\(?P<escaped>.) | [_*](?P<filler>.)
    | \[\$(?P<currency>[^\]-]*)[^\]]*\]
    | \[(?P<condition>[<>=]+\s*-?[\d.]+)\]
    | (?P<date>{DATE_TOKEN})
    | \[[^\]]*\]
    | (?P<general>General) | (?P<exponent>E[+-]0+)
    | (?P<digit>[0#?]) | (?P<mark>[.,%/@]) | (?P<literal>.)
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_LONGEST_CODE = 255
_MOST_DECIMALS = 30
_LARGEST = 1e100
_COMPARISONS = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
}


@dataclass(frozen=True, slots=True)
class _Section:
    """One section of a code: its tokens, as kind and text, and when it applies."""

    tokens: tuple[tuple[str, str], ...]
    condition: tuple[str, float] | None = None

    @property
    def is_date(self) -> bool:
        return any(kind == "date" for kind, _ in self.tokens)

    def applies(self, value: float) -> bool:
        assert self.condition is not None  # noqa: S101 - asked only of sections that have one
        return bool(_COMPARISONS[self.condition[0]](value, self.condition[1]))


def format_number(value: float, code: str = "General", *, from_1904: bool = False) -> str:
    """A number as a cell with this format code shows it.

    Args:
        value: The number; dates are days since the end of 1899.
        code: The format code.
        from_1904: Dates are days since 1904-01-01 instead.
    """
    if code == "General" or not code:
        return plain(value)
    try:
        sections = _sections(code)
        section, magnitude = _chosen(sections, value)
        if section.is_date:
            return format_date(value, section.tokens, from_1904=from_1904) or plain(value)
        return _number(section.tokens, magnitude)
    except (ValueError, ArithmeticError, KeyError):
        return plain(value)


def plain(value: float) -> str:
    """A number without a format: whole numbers without a point, others to 15 digits."""
    if abs(value) < 1e15 and value == int(value):
        return str(int(value))
    return f"{value:.15g}"


@lru_cache(maxsize=1024)
def _sections(code: str) -> tuple[_Section, ...]:
    sections: list[_Section] = []
    tokens: list[tuple[str, str]] = []
    condition: tuple[str, float] | None = None
    for found in _TOKENS.finditer(code[:_LONGEST_CODE]):
        kind = found.lastgroup or "skipped"
        text = found[kind] if found.lastgroup else ""
        if kind == "literal" and text == ";":
            sections.append(_Section(tuple(tokens), condition))
            tokens, condition = [], None
        elif kind == "condition":
            operator = text.rstrip("-.0123456789 ")
            condition = operator, float(text[len(operator) :])
        elif kind in ("quoted", "escaped", "currency"):
            tokens.append(("literal", text))
        elif kind not in ("filler", "skipped"):
            tokens.append((kind, text))
    return (*sections[:3], _Section(tuple(tokens), condition))


def _chosen(sections: Sequence[_Section], value: float) -> tuple[_Section, float]:
    """The section for a value, and what it shows: a section for negatives puts the sign itself."""
    numeric = sections[:3]
    if any(section.condition for section in numeric):
        for section in numeric:
            if section.condition is None or section.applies(value):
                return section, value
        return numeric[0], value
    if value < 0 and len(numeric) > 1:
        return numeric[1], -value
    if value == 0 and len(numeric) > 2:
        return numeric[2], value
    return numeric[0], value


def _number(tokens: Sequence[tuple[str, str]], value: float) -> str:
    if abs(value) > _LARGEST or not any(kind in ("digit", "general", "mark") for kind, _ in tokens):
        shown = "".join(text for kind, text in tokens if kind == "literal")
        return plain(value) if abs(value) > _LARGEST else shown
    sign = "-" if value < 0 else ""
    exponent = next((i for i, (kind, _) in enumerate(tokens) if kind == "exponent"), None)
    if exponent is not None:
        return sign + _scientific(tokens, exponent, abs(value))
    if ("mark", "/") in tokens and sum(kind == "digit" for kind, _ in tokens) > 1:
        return sign + _fraction(tokens, abs(value))
    return sign + _decimal(tokens, abs(value))


def _decimal(tokens: Sequence[tuple[str, str]], value: float) -> str:
    places = [i for i, (kind, _) in enumerate(tokens) if kind == "digit"]
    point = next((i for i, token in enumerate(tokens) if token == ("mark", ".")), len(tokens))
    whole = [i for i in places if i < point]
    decimals = [i for i in places if i > point][:_MOST_DECIMALS]
    last = places[-1] if places else -1
    commas = [i for i, token in enumerate(tokens) if token == ("mark", ",")]
    scale = sum(i > last or (bool(whole) and whole[-1] < i < point) for i in commas)
    grouped = bool(whole) and any(whole[0] < i < whole[-1] for i in commas)
    percents = tokens.count(("mark", "%"))
    exact = Decimal(repr(float(value))) * 100**percents / 1000**scale
    rounded = exact.quantize(Decimal(1).scaleb(-len(decimals)), ROUND_HALF_UP)
    digits, _, after = f"{rounded:f}".partition(".")
    shown = dict(zip(decimals, after, strict=False))
    for i in reversed(decimals):  # zeros that "#" does not show
        if tokens[i][1] == "0" or shown[i] != "0":
            break
        shown[i] = ""
    shown |= _whole(tokens, whole, digits.lstrip("0"), grouped)
    pieces = []
    for i, (kind, text) in enumerate(tokens):
        if kind == "digit":
            pieces.append(shown.get(i, ""))
        elif kind == "general" or text == "@":
            pieces.append(plain(value))
        elif kind == "literal" or text in ".%" or (text == "/" and kind == "mark"):
            pieces.append(text)
    return "".join(pieces).strip()


def _whole(
    tokens: Sequence[tuple[str, str]], places: Sequence[int], digits: str, grouped: bool
) -> dict[int, str]:
    """Digits before the point by place, from the right; the first place takes what is left."""
    shown: dict[int, str] = {}
    count = 0
    for i in reversed(places):
        digit, digits = digits[-1:], digits[:-1]
        if not digit and tokens[i][1] == "0":
            digit = "0"
        rest = digits if i == places[0] else ""
        piece = ""
        for one in reversed(rest + digit):
            piece = one + ("," if grouped and count and count % 3 == 0 else "") + piece
            count += 1
        shown[i] = piece
    return shown


def _scientific(tokens: Sequence[tuple[str, str]], at: int, value: float) -> str:
    before = tokens[:at]
    point = next((i for i, token in enumerate(before) if token == ("mark", ".")), len(before))
    decimals = sum(kind == "digit" for kind, _ in before[point:])
    mantissa, _, power = f"{value:.{min(decimals, _MOST_DECIMALS)}E}".partition("E")
    width = len(tokens[at][1]) - 2
    sign = "-" if int(power) < 0 else "+" if tokens[at][1][1] == "+" else ""
    after = "".join(text for kind, text in tokens[at + 1 :] if kind == "literal")
    return f"{mantissa}E{sign}{abs(int(power)):0{width}d}{after}"


def _fraction(tokens: Sequence[tuple[str, str]], value: float) -> str:
    slash = tokens.index(("mark", "/"))
    before = sum(kind == "digit" for kind, _ in tokens[:slash])
    digits = sum(kind == "digit" for kind, _ in tokens[slash:])
    fraction = Fraction(value).limit_denominator(10 ** max(1, min(digits, 6)) - 1)
    whole = 0 if before < 2 else int(fraction)
    rest = fraction - whole
    if not rest:
        return str(whole)
    return f"{whole} {rest}" if whole else str(rest)
