"""Numbers as lists of office documents count: 1, a, A, i, I."""

from __future__ import annotations

_ROMAN = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"),
    (40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip
_MOST_ROMAN = 4000
_MOST_LETTERS = 26 * 100


def arabic(number: int) -> str:
    """1, 2, 3."""
    return str(number)


def letters(number: int) -> str:
    """A to z, then aa, bb and so on, as office programs go on."""
    if not 1 <= number <= _MOST_LETTERS:
        return str(number)
    times, letter = divmod(number - 1, 26)
    return chr(ord("a") + letter) * (times + 1)


def roman(number: int) -> str:
    """i, ii, iii, iv; other numbers than 1 to 3999 stay as they are."""
    if not 1 <= number < _MOST_ROMAN:
        return str(number)
    pieces = []
    for value, sign in _ROMAN:
        count, number = divmod(number, value)
        pieces.append(sign * count)
    return "".join(pieces)
