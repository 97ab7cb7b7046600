"""Which language a text is in, as far as words are stemmed by it."""

from __future__ import annotations

import pytest

from rag.stemming import language_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Große Straßen, größere Maße", "german"),
        ("GROẞE STRAẞEN", "german"),
        ("Große Straßen, and what the names of the streets are", None),
    ],
)
def test_letters_of_a_language_tell_it(text: str, language: str | None) -> None:
    assert language_of(text) == language
