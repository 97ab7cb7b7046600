"""The sentences that an answer may be made of, and what is needed to judge them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rag.models.offline.words import words
from rag.sentences import split
from rag.types import Passage

_AMOUNT = re.compile(r"[-(]?[$€£¥]?\d[\d.,]*%?\)?(?=\s|$)")
_CLOSED = re.compile(r"[.!?…。！？؟۔।॥:;][\"'”’»)\]」』]*(?:\[\d+\])*$")  # noqa: RUF001
_YEAR = re.compile(r"(?:19|20)\d\d")
_HEADING_WORDS = 12
_CONTEXT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A sentence of a passage: ``text`` stands at ``[start, end)`` of the passage's text.

    ``context`` is what a reader has in mind on reaching it: the heading above it and the
    sentence before it. ``header`` is the table row that names the columns of this one.
    """

    passage: int
    start: int
    end: int
    text: str
    context: str
    header: str
    heading: bool
    words: frozenset[str]


def candidates(passages: Sequence[Passage]) -> list[Candidate]:
    """All different sentences of the passages, in their order; headings are marked as such."""
    found: dict[str, Candidate] = {}
    for position, passage in enumerate(passages):
        for candidate in _of_passage(position, passage):
            found.setdefault(" ".join(candidate.text.split()), candidate)
    return list(found.values())


def _of_passage(position: int, passage: Passage) -> list[Candidate]:
    found: list[Candidate] = []
    heading, header, before = passage.document_title, "", ""
    for span in split(passage.text):
        text = passage.text[span.start : span.end]
        row = _is_row(text)
        is_heading = _names_columns(text) if row else _is_heading(text)
        if row and is_heading:  # with the line above: "Three months ended / 2023 2022"
            header = f"{before if _is_heading(before) else ''} {text}".strip()
        elif is_heading:
            heading = text
        elif not row:
            header = ""
        found.append(
            Candidate(
                passage=position,
                start=span.start,
                end=span.end,
                text=text,
                context=f"{heading}\n{header or before[-_CONTEXT:]}".strip(),
                header=header if row and not is_heading else "",
                heading=is_heading,
                words=frozenset(words(text)),
            )
        )
        before = text
    return found


def _is_row(text: str) -> bool:
    amounts = len(_AMOUNT.findall(text))
    return "\t" in text or " | " in text or amounts * 3 >= len(text.split()) > 1


def _names_columns(row: str) -> bool:
    """Whether a row has years or days for amounts, and so says what its columns are."""
    amounts = [amount.strip("(,.)") for amount in _AMOUNT.findall(row)]
    years = [amount for amount in amounts if _YEAR.fullmatch(amount)]
    return bool(years) and all(a in years or (a.isdigit() and len(a) < 3) for a in amounts)


def _is_heading(text: str) -> bool:
    """Whether a sentence only announces others: short, and closed by no mark or a colon."""
    return (
        0 < len(text.split()) <= _HEADING_WORDS
        and len(text) < 100
        and (_CLOSED.search(text) is None or text.endswith(":"))
    )
