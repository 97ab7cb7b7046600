"""A person's own questions with what they expect: read from a file, compared with passages.

A file has one question to a line, as JSON objects or as CSV with a heading: ``question``, and at
least one of ``document`` (a file's name, title or id), ``quote`` (words that stand in it) and
``answer`` (words that a passage must contain); several of one kind as a list. ``language`` is
what results are grouped by. Other members are left alone.
"""

from __future__ import annotations

import csv
import json
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rag.errors import InvalidRequest

_EXPECTED = ("document", "quote", "answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question, and what of each kind would be right; empty where nothing is expected."""

    text: str
    documents: tuple[str, ...] = ()
    quotes: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    language: str = "-"

    @property
    def words(self) -> tuple[str, ...]:
        """What must stand in a passage, the quotes rather than the answers."""
        return self.quotes or self.answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A passage as far as it is compared: what its document is called, and its text."""

    names: tuple[str, ...]
    text: str


def read_questions(lines: Iterable[str], *, as_csv: bool) -> list[Question]:
    """The questions of a file.

    Raises:
        InvalidRequest: A line is none; the message says which and why.
    """
    rows = _csv_rows(lines) if as_csv else _json_rows(lines)
    questions = [_question(row, number) for number, row in rows]
    if not questions:
        raise InvalidRequest("There are no questions in this file.")
    return questions


def ranks(question: Question, passages: Sequence[Found]) -> dict[str, int | None]:
    """Where the first passage stands that fits, from 1, by each kind of what is expected."""
    expected = {
        "document": question.documents,
        "quote": question.quotes,
        "answer": question.answers,
    }
    return {
        kind: next(
            (place for place, one in enumerate(passages, 1) if _fits(kind, wanted, one)), None
        )
        for kind, wanted in expected.items()
        if wanted
    }


def contains(text: str, words: str) -> bool:
    """Whether a text has these words, whatever their case, white space and kind of quotes."""
    return _plain(words) in _plain(text)


def is_named(document: str, names: Iterable[str]) -> bool:
    """Whether a document is one of these names, with or without its extension."""
    wanted = _plain(document)
    return any(wanted in (_plain(name), _plain(name.rpartition(".")[0])) for name in names)


def _fits(kind: str, wanted: Sequence[str], passage: Found) -> bool:
    if kind == "document":
        return any(is_named(one, passage.names) for one in wanted)
    return any(contains(passage.text, one) for one in wanted)


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold().translate(_QUOTES)
    return " ".join(folded.split())


_QUOTES = str.maketrans("\u2018\u2019\u201c\u201d\u201e\u2013\u2014", '\'\'"""--')


def _json_rows(lines: Iterable[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InvalidRequest(f"Line {number} is not JSON: {error}") from error
        if not isinstance(row, dict):
            raise InvalidRequest(f"Line {number} is no JSON object, {{...}}.")
        yield number, row


def _csv_rows(lines: Iterable[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    reader = csv.DictReader(lines, restkey="")
    try:
        if "question" not in (reader.fieldnames or ()):
            raise InvalidRequest(
                "The first line of a CSV file names its columns, and one of them is `question`."
            )
        for row in reader:
            if row.pop("", None):
                raise InvalidRequest(f"Line {reader.line_num} has more cells than the first line.")
            yield reader.line_num, {name: cell for name, cell in row.items() if cell}
    except csv.Error as error:
        raise InvalidRequest(f"Line {reader.line_num} is not CSV: {error}") from error


def _question(row: Mapping[str, Any], number: int) -> Question:
    text = row.get("question")
    if not isinstance(text, str) or not text.strip():
        raise InvalidRequest(f"Line {number} has no `question`.")
    expected = {name: _several(row.get(name), name, number) for name in _EXPECTED}
    if not any(expected.values()):
        raise InvalidRequest(
            f"Line {number} says nothing to compare with: a `document`, a `quote` or an `answer`."
        )
    language = row.get("language") or "-"
    if not isinstance(language, str):
        raise InvalidRequest(f"Line {number}: `language` is a text, such as `de`.")
    return Question(
        text=text.strip(),
        documents=expected["document"],
        quotes=expected["quote"],
        answers=expected["answer"],
        language=language,
    )


def _several(value: Any, name: str, number: int) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(one, str) for one in values):
        raise InvalidRequest(f"Line {number}: `{name}` is a text or a list of texts.")
    return tuple(one.strip() for one in values if one.strip())
