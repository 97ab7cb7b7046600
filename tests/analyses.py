"""What analyses are tested with: texts in memory, and an engine that knows what stands where."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rag.analysis.library import Since, Text
from rag.analysis.requests import Scope
from rag.errors import ModelError, NotFound
from rag.models.chat import ChatRequest
from rag.models.engine import Context, Forecast
from rag.models.tasks import Evidence, Extraction, ExtractTask, Field, Outcome, Task
from rag.types import Block, Page, Span


class Shelf:
    """A library of texts by id."""

    def __init__(self, texts: Mapping[str, str], generation: int = 1) -> None:
        self.by_id = dict(texts)
        self.generation = generation

    def texts(self, scope: Scope, *, since: Since | None = None) -> Iterator[Text]:
        first = 0 if since is None else scope.documents.index(since[1])
        return (self.document(one) for one in scope.documents[first:])

    def document(self, document_id: str) -> Text:
        return Text(
            id=document_id,
            title=f"Title of {document_id}",
            name=f"{document_id}.txt",
            length=len(self._of(document_id)),
            generation=self.generation,
        )

    def blocks(self, document_id: str) -> Sequence[Block]:
        return ()

    def read(self, document_id: str, start: int, end: int) -> str:
        return self._of(document_id)[start:end]

    def pages(self, document_id: str, span: Span) -> Sequence[Page]:
        return ()

    def _of(self, document_id: str) -> str:
        if document_id not in self.by_id:
            raise NotFound(f"No document {document_id!r}.")
        return self.by_id[document_id]


class Gold(NamedTuple):
    """What stands at a place, and as a value of which field."""

    document: str
    field: str
    start: int
    end: int


class Oracle:
    """Says of each gold span that lies in what it is given what it is, and nothing else.

    ``given`` are those that it could say; it fails of passages with the words ``broken``.
    """

    id = "oracle"

    def __init__(
        self,
        texts: Mapping[str, str],
        gold: Sequence[Gold],
        *,
        room: int | None = None,
        broken: str = "",
    ) -> None:
        self._texts = texts
        self._by_document: dict[str, list[Gold]] = {}
        for one in gold:
            self._by_document.setdefault(one.document, []).append(one)
        self._room = room
        self._broken = broken
        self.given: set[Gold] = set()
        self.asked = 0

    def supports(self, task: type[Task[Any]]) -> bool:
        return task is ExtractTask

    def check(self, context: Context) -> Mapping[str, str]:
        return {self.id: "ok"}

    def forecast(self, task: Task[Any], context: Context) -> Forecast:
        return Forecast(calls=1, room=self._room)

    def run(self, task: Task[Any], context: Context) -> Outcome[Any]:
        self.asked += 1
        passages = task.passages
        if self._broken and any(self._broken in one.text for one in passages):
            raise ModelError("The model was struck dumb.")
        first, last = passages[0].start, passages[-1].end
        value: dict[str, list[str]] = {}
        fields = {}
        for one in self._by_document.get(passages[0].document_id, ()):
            if not (first <= one.start and one.end <= last):
                continue
            self.given.add(one)
            place = max(at for at, p in enumerate(passages) if p.start <= one.start)
            hint = one.start - passages[place].start
            quote = self._texts[one.document][one.start : one.end]
            name = one.field.replace("~", "~0").replace("/", "~1")
            known = value.setdefault(one.field, [])
            evidence = (Evidence(passage=place, quote=quote, hint=hint),)
            fields[f"/{name}/{len(known)}"] = Field(evidence=evidence, confidence=1.0)
            known.append(quote)
        return Outcome(value=Extraction(value=value, fields=fields), confidence=1.0, engine=self.id)


def lists_of(fields: Sequence[str]) -> dict[str, Any]:
    """A schema of lists of texts."""
    text = {"type": "array", "items": {"type": "string"}}
    return {"type": "object", "properties": dict.fromkeys(fields, text)}


def cited(result: Mapping[str, Any]) -> set[Gold]:
    """What a result of lists, by document, cites: field and place."""
    found = set()
    for pointer, citations in result["evidence"].items():
        field = pointer.split("/")[4].replace("~1", "/").replace("~0", "~")
        for one in citations:
            found.add(Gold(one["document_id"], field, one["start"], one["end"]))
    return found


def output_of(request: ChatRequest) -> str:
    """An output that quotes sentences of the excerpts, six of them, whatever the task.

    An excerpt without a sentence, such as a page's number, is quoted whole.
    """
    asked = request.turns[-1].text
    excerpts = re.findall(r"\[\w+ (P\d+)\]\n[^\n]*\n\n(.*?)\n\[\w+ end", asked, re.DOTALL)
    sentences = [(name, re.findall(r"[^.]+\.", text) or [text]) for name, text in excerpts]
    found = [(name, one) for name, ones in sentences for one in ones]
    said = [
        {"text": f"It says: {quote}", "evidence": [{"passage": name, "quote": quote.strip()}]}
        for name, quote in found[:: max(1, len(found) // 6)][:6]
    ]
    schema: Any = request.schema
    values: dict[str, Any] = {
        "main_topic": said[0],
        "key_findings": said[1:6],
        "conclusions": [],
        "confidence": 0.8,
        "arguments": [
            {"claim": one, "premises": [other], "strength": 5}
            for one, other in zip(said[::2], said[1::2], strict=False)
        ],
        "labels": [{"label": "contract", "probability": 0.9}],
        "features": said[:2],
        "value": {},
        "fields": [],
    }
    nothing = {"array": [], "string": ""}
    kinds = {name: one.get("type") for name, one in schema["properties"].items()}
    empty = {name: nothing.get(kind) for name, kind in kinds.items() if isinstance(kind, str)}
    made = {name: values.get(name, empty.get(name)) for name in schema["properties"]}
    return json.dumps(made)


def counted(request: ChatRequest) -> int:
    """Tokens as a provider might count them: words and marks, the schema's included."""
    texts = [request.system, json.dumps(request.schema), *(turn.text for turn in request.turns)]
    return sum(len(re.findall(r"[^\W\d_]+|\d{1,3}|[^\w\s]|_|\n", text)) for text in texts)
