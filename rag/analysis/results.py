"""What an analysis came to, as JSON: values with their evidence, and what was read for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from rag.analysis.kinds import Doubt, Finished
from rag.analysis.kinds.shapes import shape_of
from rag.analysis.library import Library
from rag.analysis.reading import Place, Reading
from rag.analysis.requests import Request
from rag.errors import IbidemError, NotFound
from rag.models.schema import problems
from rag.pointers import names_of
from rag.types import Usage
from rag.work import Done, Failed, Produced

_MOST_FAILURES = 1_000
_MOST_NAMED = 20
_GONE = frozenset({"document_deleted", "not_found"})


def taken(reading: Reading) -> dict[str, Any]:
    """What working on an item took."""
    return {
        "engines": list(reading.engines),
        "calls": reading.calls,
        "usage": asdict(reading.usage),
        "dropped": reading.dropped,
        "notes": list(reading.notes),
    }


def finished_json(finished: Finished, request: Request, reading: Reading) -> dict[str, Any]:
    """A result as an item keeps it, with its citations in full."""
    evidence = {
        pointer: [asdict(one) for one in reading.citations(places)]
        for pointer, places in finished.evidence.items()
    }
    wrong = [
        Doubt(pointer="", reason="failed_validation", detail=one)
        for one in problems(finished.value, shape_of(request))
    ]
    doubts = [*wrong, *finished.doubts, *_unsure(finished, request.confidence_threshold)]
    return {
        "value": finished.value,
        "evidence": {pointer: found for pointer, found in evidence.items() if found},
        "confidence": finished.confidence,
        "confidences": dict(finished.confidences),
        "spellings": {pointer: list(also) for pointer, also in finished.spellings.items()},
        "not_mentioned": list(finished.not_mentioned),
        "review": [_doubt(one, reading) for one in doubts],
    }


def result(
    request: Request, library: Library, results: Iterable[Done], failures: Iterable[Failed]
) -> Produced:
    """All results as one, and what was read for it.

    Raises:
        IbidemError: Nothing could be read; the message says why.
    """
    reached = _Reached()
    whole = _Whole(library)
    for done in results:
        reached.count(done)
        if "finished" in done.value:
            whole.add(done.value["group"], done.value["finished"])
    for failed in failures:
        reached.fail(failed)
    if not whole.found:
        raise IbidemError(reached.why_nothing())
    if request.by_document:
        value: Any = {"documents": whole.rows}
    else:
        value = whole.rows[0]["value"]
    body = {
        "result": value,
        **whole.beside(by_document=request.by_document),
        "coverage": reached.coverage,
        **reached.spent,
    }
    return Produced(value=body, documents=frozenset(filter(None, reached.documents)))


class _Whole:
    """The results that were finished, one for each document or one for all."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self.rows: list[dict[str, Any]] = []
        self._parts: list[Mapping[str, Any]] = []

    @property
    def found(self) -> bool:
        return bool(self.rows)

    def add(self, group: str, finished: Mapping[str, Any]) -> None:
        title, name = self._names(group)
        self.rows.append(
            {
                "document_id": group or None,
                "document_title": title,
                "document_name": name,
                "value": finished["value"],
                "confidence": finished["confidence"],
            }
        )
        self._parts.append(finished)

    def beside(self, *, by_document: bool) -> dict[str, Any]:
        """What is said of the values by their pointers in the result."""
        found: dict[str, Any] = {
            "evidence": {},
            "confidences": {},
            "spellings": {},
            "not_mentioned": [],
            "review": [],
        }
        for place, part in enumerate(self._parts):
            under = f"/documents/{place}/value" if by_document else ""
            for name in ("evidence", "confidences", "spellings"):
                found[name] |= {f"{under}{at}": one for at, one in part[name].items()}
            found["not_mentioned"] += [f"{under}{at}" for at in part["not_mentioned"]]
            for doubt in part["review"]:
                number = len(found["review"])
                at = f"{under}{doubt['pointer']}"
                document = self.rows[place]["document_id"]
                where = {"number": number, "document_id": document, "at": doubt["pointer"]}
                found["review"].append({**doubt, **where, "pointer": at})
        known = [one["confidence"] for one in self.rows if one["confidence"] is not None]
        return {**found, "confidence": min(known, default=None)}

    def _names(self, document_id: str) -> tuple[str | None, str | None]:
        if not document_id:
            return None, None
        try:
            text = self._library.document(document_id)
        except NotFound:
            return None, None
        return text.title, text.name


class _Reached:
    """What was read and what was not, and what all of it took."""

    def __init__(self) -> None:
        self._read = 0
        self._failed: list[dict[str, Any]] = []
        self._failures: Counter[str] = Counter()
        self._chunks = 0
        self._usage = Usage()
        self._calls = self._dropped = 0
        self._engines: Counter[str] = Counter()
        self._notes: dict[str, None] = {}
        self._gone: dict[str, None] = {}
        self.documents: set[str] = set()

    def count(self, done: Done) -> None:
        self._chunks += done.round == 0
        if "finished" in done.value:  # a merge that failed leaves out what it was of
            self._read += done.value["chunks"]
        self.documents.update(done.value["documents"])
        taken_ = done.value["taken"]
        self._usage += Usage(**taken_["usage"])
        self._calls += taken_["calls"]
        self._dropped += taken_["dropped"]
        self._engines.update(taken_["engines"])
        self._notes |= dict.fromkeys(taken_["notes"])

    def fail(self, failed: Failed) -> None:
        self._chunks += failed.round == 0
        error, payload = failed.error, failed.payload
        document = payload.get("document") or None
        self._failures[str(error["code"])] += 1
        if document and error["code"] in _GONE:
            self._gone[document] = None
            error = {**error, "message": f"Document {document!r} was deleted."}
        if len(self._failed) < _MOST_FAILURES:
            self._failed.append(
                {
                    "document_id": document,
                    "start_char_index": payload.get("start"),
                    "end_char_index": payload.get("end"),
                    "what": "chunk" if failed.round == 0 else "merge",
                    **error,
                }
            )

    @property
    def coverage(self) -> dict[str, Any]:
        """How many stretches the result is made of, of how many, and why not of the others."""
        return {
            "chunks_read": self._read,
            "chunks_total": self._chunks,
            "failed": self._failed,
            "failures": dict(self._failures),
        }

    @property
    def spent(self) -> dict[str, Any]:
        """Engines, usage and notes."""
        return {
            "engine": next(iter(self._engines), None),
            "engines": dict(self._engines),
            "calls": self._calls,
            "usage": asdict(self._usage),
            "dropped_citations": self._dropped,
            "notes": [*self._left_out(), *self._notes],
        }

    def _left_out(self) -> Iterator[str]:
        """Which documents the result is without, because they are no more."""
        if self._gone:
            named = list(self._gone)[:_MOST_NAMED]
            more = f" and {len(self._gone) - len(named)} more" * (len(self._gone) > len(named))
            yield f"Deleted since the analysis was ordered, and left out: {', '.join(named)}{more}."

    def why_nothing(self) -> str:
        """Why there is no result."""
        if not self._chunks:
            return "There is no text to analyze: no document of the collection passes the filter."
        first = self._failed[0]["message"] if self._failed else "The documents were deleted."
        return (
            f"Nothing came of {self._chunks} parts of the text; the first failed of this: {first}"
        )


def _unsure(finished: Finished, least: float) -> Iterator[Doubt]:
    """What is less probable to be right than the caller wants it to be."""
    for pointer, confidence in finished.confidences.items():
        if confidence < least:
            yield Doubt(
                pointer=pointer,
                reason="low_confidence",
                detail=f"{confidence:.2f} is below {least:.2f}.",
                value=value_at(finished.value, pointer),
                confidence=confidence,
            )
    sure = finished.confidence
    if not finished.confidences and sure is not None and sure < least:
        detail = f"{sure:.2f} is below {least:.2f}."
        yield Doubt(pointer="", reason="low_confidence", detail=detail, confidence=sure)


def value_at(value: Any, pointer: str) -> Any:
    """The value at a JSON pointer; ``None`` when there is none."""
    for name in names_of(pointer):
        if isinstance(value, list):
            value = value[int(name)] if name.isdigit() and int(name) < len(value) else None
        elif isinstance(value, Mapping):
            value = value.get(name)
        else:
            return None
    return value


def _doubt(doubt: Doubt, reading: Reading) -> dict[str, Any]:
    """A doubt with its alternatives' places as citations."""
    alternatives = []
    for one in doubt.alternatives:
        if isinstance(one, Mapping):
            cited = reading.citations([Place(*at) for at in one["at"]])
            alternatives.append(
                {
                    "value": one["value"],
                    "confidence": one["confidence"],
                    "citations": [asdict(citation) for citation in cited],
                }
            )
        else:
            alternatives.append({"value": one, "confidence": None, "citations": []})
    return {**asdict(doubt), "alternatives": alternatives}
