"""Currencies as texts write them: signs, codes and words, and the code that each means."""

from __future__ import annotations

import re

_CODES = {
    "us$": "USD", "usd": "USD", "$": "USD", "dollar": "USD", "dollars": "USD",
    "a$": "AUD", "aud": "AUD", "c$": "CAD", "cad": "CAD", "nz$": "NZD", "hk$": "HKD", "s$": "SGD",
    "€": "EUR", "eur": "EUR", "euro": "EUR", "euros": "EUR",
    "£": "GBP", "gbp": "GBP", "pound": "GBP", "pounds": "GBP",
    "chf": "CHF", "franc": "francs", "francs": "francs", "¥": "¥", "jpy": "JPY",
    "cny": "CNY", "rmb": "CNY", "yuan": "CNY", "人民币": "CNY", "元": "CNY",
    "sek": "SEK", "nok": "NOK", "dkk": "DKK", "pln": "PLN", "₹": "INR", "inr": "INR",
}  # fmt: skip
_CURRENCY = re.compile(
    "|".join(
        rf"(?<![^\W\d_]){re.escape(one)}(?![^\W\d_])" if one.isalpha() and one.isascii()
        else re.escape(one)
        for one in sorted(_CODES, key=len, reverse=True)
    )
)  # fmt: skip


def currency_of(text: str) -> str | None:
    """The first currency that a text names; ``None`` where it names none."""
    found = _CURRENCY.search(text.casefold())
    return None if found is None else _CODES[found.group()]
