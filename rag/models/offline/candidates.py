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
_ANNOUNCING = re.compile(r"(?i)\b(?:follow(?:s|ing)|below|folgend\w*)\b|如下|下表")
_RULE = re.compile(r"[\s|:+=-]+")  # between header and rows, in Markdown
# "Weight: 420 g" says something, "Note 14: Risks" announces it.
_STATED = re.compile(r"[:：]\s*\S*\d|：\s*\S")  # noqa: RUF001
_YEAR = re.compile(r"(?:19|20)\d\d")
_HEADING_WORDS = 12
# Amounts say nothing about tables, and a missing stop nothing about headings, in scripts
# that put no spaces between words or use no stops.
_DENSE = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
_UNSTOPPED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")


@dataclass(frozen=True, slots=True)
class Line:
    """Words above a sentence: ``text`` stands at ``start`` of the passage's text."""

    text: str = ""
    start: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A sentence of a passage: ``text`` stands at ``[start, end)`` of the passage's text.

    ``heading`` is the one it stands under and ``header`` the row that names the columns, when
    it is a row of a table itself. ``near`` are the words that a reader has in mind on reaching
    it, of both of these and of the sentence before. ``announces`` marks headings and
    headers themselves: they say what is to come.
    """

    passage: int
    start: int
    end: int
    text: str
    heading: Line
    header: Line
    announces: bool
    words: frozenset[str]
    near: frozenset[str]


def candidates(passages: Sequence[Passage]) -> list[Candidate]:
    """All different sentences of the passages, in their order."""
    found: dict[tuple[str, str], Candidate] = {}
    for position, passage in enumerate(passages):
        for candidate in _of_passage(position, passage):
            found.setdefault((passage.document_id, " ".join(candidate.text.split())), candidate)
    return list(found.values())


def _of_passage(position: int, passage: Passage) -> list[Candidate]:
    found: list[Candidate] = []
    heading, header, before = Line(), Line(), Line()
    known = before_words = frozenset[str]()
    in_table = False
    for span in split(passage.text):
        text = passage.text[span.start : span.end]
        its_words = frozenset(words(text))
        if _RULE.fullmatch(text):
            continue
        row = is_row(text)
        first = row and not in_table and _has_cells(text)
        first = first and not any(map(_AMOUNT.fullmatch, text.split()))
        announces = first or (_names_columns(text) if row else is_heading(text))
        in_table = row
        if row and announces:  # with the line above: "Three months ended / 2023 2022"
            above = not first and is_heading(before.text)
            start = before.start if above else span.start
            header = Line(passage.text[start : span.end], start)
        elif announces:
            heading = Line(text, span.start)
        elif not row:
            header = Line()
        known = frozenset(words(f"{heading.text} {header.text}")) if announces else known
        found.append(
            Candidate(
                passage=position,
                start=span.start,
                end=span.end,
                text=text,
                heading=Line() if announces else heading,
                header=header if row and not announces else Line(),
                announces=announces,
                words=its_words,
                near=known | before_words,
            )
        )
        before, before_words = Line(text, span.start), its_words
    return found


def is_row(text: str) -> bool:
    """Whether a sentence is a row of a table: cells apart, or mostly amounts after a label."""
    if _has_cells(text) or _DENSE.search(text):
        return _has_cells(text)
    amounts = len(_AMOUNT.findall(text))
    return amounts * 3 >= len(text.split()) > 1 and _CLOSED.search(text) is None


def _has_cells(row: str) -> bool:
    return "\t" in row or " | " in row


def _names_columns(row: str) -> bool:
    """Whether a row has years or days for amounts, and so says what its columns are."""
    cells = [cell.strip() for cell in row.replace(" | ", "\t").split("\t")]
    if len(cells) == 2 and cells[0] and len(_AMOUNT.findall(cells[1])) > 1:
        return False  # a label and a date: "Due for payment", "14 July 2024"
    amounts = [amount.strip("(,.)") for amount in _AMOUNT.findall(row)]
    years = [amount for amount in amounts if _YEAR.fullmatch(amount)]
    return bool(years) and all(a in years or (a.isdigit() and len(a) < 3) for a in amounts)


def is_heading(text: str) -> bool:
    """Whether a sentence only announces others: it says so, or it is short and unclosed."""
    if text.endswith((":", "\uff1a")) and _ANNOUNCING.search(text):
        return True
    if _STATED.search(text):
        return False
    return (
        0 < len(text.split()) <= _HEADING_WORDS
        and len(text) < 100
        and _UNSTOPPED.search(text) is None
        and (_CLOSED.search(text) is None or text.endswith(":"))
    )
