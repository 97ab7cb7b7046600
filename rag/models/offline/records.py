"""Lists of objects: the rows of a table, or sentences that state several fields at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rag.models.offline.candidates import Candidate
from rag.models.offline.leaves import Leaf
from rag.models.offline.mentions import Mention, Vocabulary, converted, mentions, vocabulary
from rag.models.offline.values import Found, find
from rag.models.offline.words import words

_FEWEST = 2
_MATCHES = 0.5


def records(leaves: Mapping[str, Leaf], found: Sequence[Candidate]) -> list[dict[str, Mention]]:
    """Objects by the names of their fields, each with what its values rest on.

    A row of a table is an object when its columns are called as at least two of the fields (as
    one, if there is no more). Without such rows, a sentence is one when it has
    expressions of two kinds of fields or more, and of at least half of them.
    """
    rows = [_row(leaves, candidate) for candidate in found if candidate.header.text]
    enough = min(_FEWEST, len(leaves))
    kept = [row for row in rows if len(row) >= enough]
    if kept or not leaves:
        return kept
    known = vocabulary(found)
    said = [_sentence(leaves, candidate, known) for candidate in found if not candidate.announces]
    least = max(enough, (len(leaves) + 1) // 2)
    return [record for record in said if len(record) >= least]


def _row(leaves: Mapping[str, Leaf], candidate: Candidate) -> dict[str, Mention]:
    names = [text for text, _ in _cells(candidate.header.text)]
    cells = list(_cells(candidate.text))
    if len(names) != len(cells):
        return {}
    record = {}
    for name, leaf in leaves.items():
        column = _column(leaf, names)
        if column is None:
            continue
        text, start = cells[column]
        expression = Found(start=start, end=start + len(text), text=text)
        value = _of_cell(leaf, text) if text else None
        if value is not None:
            record[name] = _mention(candidate, value, expression)
    return record


def _of_cell(leaf: Leaf, text: str) -> object:
    """A cell's value: as a whole where any text will do, else its first expression."""
    if leaf.type == "string" and leaf.schema.get("format") is None:
        return converted(leaf, Found(start=0, end=len(text), text=text), None)
    for kind in leaf.kinds:
        for expression in find(kind, text):
            if (value := converted(leaf, expression, kind)) is not None:
                return value
    return None


def _column(leaf: Leaf, names: Sequence[str]) -> int | None:
    """The column that is called most like the field."""
    wanted = set(leaf.called)
    shares = [len(wanted & set(words(name))) / max(1, len(wanted)) for name in names]
    best = max(range(len(shares)), key=shares.__getitem__, default=None)
    return best if best is not None and shares[best] >= _MATCHES else None


def _cells(row: str) -> Iterator[tuple[str, int]]:
    """The cells of a row and where their text starts; bars around the row make none."""
    mark = "\t" if "\t" in row else "|"
    start = 0
    parts = row.split(mark)
    for place, part in enumerate(parts):
        border = mark == "|" and place in (0, len(parts) - 1) and not part.strip()
        if not border:
            yield part.strip(), start + len(part) - len(part.lstrip())
        start += len(part) + 1


def _sentence(
    leaves: Mapping[str, Leaf], candidate: Candidate, known: Vocabulary
) -> dict[str, Mention]:
    record: dict[str, Mention] = {}
    taken: list[tuple[int, int]] = []
    for name, leaf in leaves.items():
        if not leaf.kinds and not leaf.choices:
            continue
        free = (
            one
            for one in mentions(leaf, [candidate], known)
            if not any(one.start < end and start < one.end for start, end in taken)
        )
        best = max(free, key=lambda one: (one.labelled, one.near, -one.rank), default=None)
        if best is not None:
            record[name] = best
            taken.append((best.start, best.end))
    return record


def _mention(candidate: Candidate, value: object, found: Found) -> Mention:
    whole = (candidate.start, candidate.end)
    return Mention(
        passage=candidate.passage,
        start=candidate.start + found.start,
        end=candidate.start + found.end,
        value=value,
        text=candidate.text,
        sentence=whole,
        window=(candidate.start + found.start, candidate.start + found.end),
        around=candidate.text,
        covered=1.0,
        near=1.0,
        labelled=1.0,
        rank=0,
    )
