"""What the lines of a batch came to, in their order, however many."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Iterator
from typing import Any

from api.results.analyses import values
from api.results.entries import Entry, Said, quoted
from api.schemas.batches import BatchResult
from api.schemas.common import StoredError
from rag.work import Done, Failed


def entries(done: Iterable[Done], failed: Iterable[Failed]) -> Iterator[Entry]:
    """Each line that has come to an end."""
    both: list[Iterable[Done | Failed]] = [done, failed]
    for one in heapq.merge(*both, key=lambda one: one.position):
        yield _entry(_result(one))


def _result(one: Done | Failed) -> BatchResult:
    payload = one.payload
    return BatchResult(
        custom_id=payload.get("custom_id"),
        line=payload.get("line", one.position + 1),
        status="completed" if isinstance(one, Done) else "failed",
        question=payload.get("ask", {}).get("question"),
        response=dict(one.value) if isinstance(one, Done) else None,
        error=None if isinstance(one, Done) else StoredError(**one.error),
    )


def _entry(result: BatchResult) -> Entry:
    answer: dict[str, Any] = result.response or {}
    said = [
        Said(text=sentence["text"], citations=sentence["citations"])
        for sentence in answer.get("sentences", ())
    ]
    if "result" in answer:
        said = list(values(answer["result"], answer))
    error = result.error
    return Entry(
        title=result.question or result.custom_id or f"Line {result.line}",
        raw=result.model_dump(mode="json"),
        columns={
            "custom_id": result.custom_id,
            "line": result.line,
            "status": result.status,
            "question": result.question,
            "answer": answer.get("text") or _result_cell(answer),
            "found": answer.get("found"),
            "confidence": answer.get("confidence"),
            "citations": quoted([one for part in said for one in part.citations]),
            "engine": answer.get("engine"),
            "cost_usd": answer.get("usage", {}).get("cost_usd"),
            "error_code": error.code if error else None,
            "error": error.message if error else None,
        },
        said=said or ([Said(text=answer["text"])] if "text" in answer else []),
        error=error.message if error else None,
    )


def _result_cell(answer: dict[str, Any]) -> str | None:
    """The result of an analysis in a cell."""
    return json.dumps(answer["result"], ensure_ascii=False) if "result" in answer else None
