"""Extraction: one question a field, answered by an expression of the kind that it holds.

All expressions of a field's kind are candidates. Each is judged in its surroundings: by how near
these are to the question, by embedding and by words, by how close the field's name stands, and
whether it stands as a label before the value. Weights and threshold were chosen on a part of
Kleister NDA that is not reported. A reader that was found to help is asked each field as a
question, and how likely it finds each candidate counts too.

What repeats the field's name is no value, and numbers of names ("Section 7", "Form 10-Q") are none.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rag.embedding import Embedder
from rag.models.offline import ID
from rag.models.offline.asking import Asking
from rag.models.offline.candidates import Candidate, candidates
from rag.models.offline.leaves import Leaf, Schema, kind_of_node, make_leaf, plain
from rag.models.offline.mentions import Mention, best_by_words, mentions, vocabulary
from rag.models.offline.records import records
from rag.models.offline.words import words
from rag.models.schema import check_schema
from rag.models.tasks import Evidence, Extraction, ExtractTask, Field, Outcome
from rag.pointers import below
from rag.types import FloatVector

# Mentions of a field that are embedded: those that do best by words.
MOST_EMBEDDED = 12
# Beside the cosine: the share of the field's words around, its name close by or as a label, an
# early place in the text and among those of its kind, and, against it, a kind less fitting.
COVERED, NEAR, LABELLED, EARLY, FIRST, FALLBACK = 0.4, 0.2, 0.5, 0.2, 0.2, 0.2
THRESHOLD = 0.6
# Further values of a list may score this much less, in the best one's sentence and elsewhere.
BESIDE, MARGIN = 0.35, 0.05
# Log odds of a value being right, by its score and by the share of the field's words around it:
# fitted to values of agreements and of clauses (Kleister NDA, cuad-spans) that are not reported.
EXPRESSION = (-5.36, 4.11, 4.41)
SENTENCE = (-4.5, 3.74, 1.6)
LIKELY = 0.05
"""A field whose best value is less likely right than this is not mentioned."""
_LONGEST_QUOTE = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scored:
    mention: Mention
    score: float


class Extracting:
    """Fills the fields of a schema."""

    def __init__(self, embedder: Embedder, asking: Asking | None = None) -> None:
        self._embedder = embedder
        self._asking = asking

    def run(self, task: ExtractTask) -> Outcome[Extraction]:
        """Find a value for each field, or leave it out.

        Raises:
            InvalidRequest: The schema is none that can be asked for.
        """
        started = time.perf_counter()
        check_schema(task.schema)
        found = candidates(task.passages)
        leaves = list(_leaves(task.schema, task.schema, "", "", frozenset()))
        by_leaf = self._score(leaves, found)
        filling = _Filling(task.schema, found, by_leaf)
        value = filling.fill(task.schema, "", frozenset())
        confidences = [one.confidence for one in filling.fields.values()]
        known = [one for one in confidences if one is not None]
        return Outcome(
            value=Extraction(value=value or {}, fields=filling.fields),
            confidence=round(sum(known) / len(known), 4) if known else None,
            engine=ID,
            timings={"extract": round((time.perf_counter() - started) * 1000, 3)},
        )

    def _score(
        self, leaves: Sequence[Leaf], found: Sequence[Candidate]
    ) -> dict[str, list[_Scored]]:
        """What could be a field's value, best first, by the field's pointer."""
        ends = {one.passage: 0 for one in found}
        for one in found:
            ends[one.passage] = max(ends[one.passage], one.end)
        whole = sum(ends.values()) or 1
        before = {place: sum(ends[p] for p in ends if p < place) for place in ends}
        known = vocabulary(found)
        kept = {
            leaf.pointer: best_by_words(mentions(leaf, found, known), MOST_EMBEDDED)
            for leaf in leaves
        }
        texts = list(dict.fromkeys(m.around for of in kept.values() for m in of))
        vectors = self._embedder.embed_passages(texts) if texts else None
        places = {text: place for place, text in enumerate(texts)}
        scored: dict[str, list[_Scored]] = {}
        for leaf in leaves:
            mine = kept[leaf.pointer]
            if not mine or vectors is None:
                scored[leaf.pointer] = []
                continue
            asked = self._embedder.embed_query(leaf.asks)
            near: FloatVector = vectors[[places[one.around] for one in mine]] @ asked
            read = (
                self._asking.scores(leaf, mine) if self._asking is not None else [0.0] * len(mine)
            )
            rows = [
                _Scored(
                    mention=one,
                    score=float(similarity)
                    + COVERED * one.covered
                    + NEAR * one.near
                    + LABELLED * one.labelled
                    - FALLBACK * one.rank
                    + EARLY * (1 - (before[one.passage] + one.start) / whole)
                    + FIRST / (1 + one.place)
                    + found_by_reader,
                )
                for one, similarity, found_by_reader in zip(mine, near, read, strict=True)
            ]
            scored[leaf.pointer] = sorted(rows, key=lambda row: -row.score)
        return scored


class _Filling:
    """Builds the value from the top, and collects what each of its leaves rests on."""

    def __init__(
        self, root: Schema, found: Sequence[Candidate], by_leaf: Mapping[str, list[_Scored]]
    ) -> None:
        self._root = root
        self._found = found
        self._by_leaf = by_leaf
        self.fields: dict[str, Field] = {}

    def fill(self, node: Any, pointer: str, above: frozenset[int]) -> Any:
        """The value at a pointer; ``None`` when the passages do not mention it.

        What an object refers back to from within, ``above``, is not filled once more.
        """
        schema = plain(node, self._root)
        kind = kind_of_node(schema)
        if kind == "object":
            return self._object(schema, pointer, above)
        if kind == "array":
            items = plain(schema.get("items", {}), self._root)
            if kind_of_node(items) == "object":
                return self._records(items, pointer)
            return self._list(schema, pointer)
        return self._scalar(pointer)

    def _object(self, schema: Schema, pointer: str, above: frozenset[int]) -> dict[str, Any] | None:
        properties = schema.get("properties", {})
        if id(properties) in above:
            return None
        value = {}
        for name, own in properties.items():
            found = self.fill(own, below(pointer, name), above | {id(properties)})
            if found is not None or name in schema.get("required", ()):
                value[name] = found
        something = any(one is not None for one in value.values())
        return value if something or not above else None

    def _scalar(self, pointer: str) -> Any:
        best = next(iter(self._by_leaf.get(pointer, ())), None)
        if best is None or not _is_stated(best):
            return None
        self.fields[pointer] = _field(best.mention, _confidence(best))
        return best.mention.value

    def _list(self, schema: Schema, pointer: str) -> list[Any] | None:
        scored = self._by_leaf.get(pointer, [])
        most = schema.get("maxItems")
        chosen: dict[Any, _Scored] = {}
        for one in scored if scored and _is_stated(scored[0]) else ():
            beside = one.mention.sentence == scored[0].mention.sentence
            least = scored[0].score - BESIDE if beside else scored[0].score - MARGIN
            if one.score >= (least if beside else max(THRESHOLD, least)):
                chosen.setdefault(_folded(one.mention.value), one)
        whole = [one for said, one in chosen.items() if not _part_of_another(said, chosen)]
        kept = whole[: int(most) if most is not None else None]
        kept.sort(key=lambda one: (one.mention.passage, one.mention.start))
        for place, one in enumerate(kept):
            self.fields[f"{pointer}/{place}"] = _field(one.mention, _confidence(one))
        return [one.mention.value for one in kept] or None

    def _records(self, items: Schema, pointer: str) -> list[Any] | None:
        properties = {
            name: plain(own, self._root) for name, own in items.get("properties", {}).items()
        }
        leaves = {
            name: make_leaf("", name, own, "")
            for name, own in properties.items()
            if kind_of_node(own) not in ("object", "array")
        }
        rows: list[Any] = []
        for record in records(leaves, self._found):
            row = {name: one.value for name, one in record.items()}
            row |= {name: None for name in items.get("required", ()) if name not in row}
            for name, one in record.items():
                self.fields[below(f"{pointer}/{len(rows)}", name)] = _field(one, None)
            rows.append(row)
        return rows or None


def _leaves(
    node: Any, root: Schema, pointer: str, called: str, above: frozenset[int]
) -> Iterable[Leaf]:
    """The fields of a schema that are asked for one by one, scalars and lists of scalars."""
    schema = plain(node, root)
    properties = schema.get("properties", {})
    defined = {key: root[key] for key in ("$defs", "definitions") if key in root}
    for name, own in properties.items() if id(properties) not in above else ():
        at = below(pointer, name)
        inner = plain(own, root)
        kind = kind_of_node(inner)
        if kind == "object":
            around = above | {id(properties)}
            yield from _leaves(inner, root, at, f"{called} {name}".strip(), around)
        elif kind == "array":
            items = plain(inner.get("items", {}), root)
            if kind_of_node(items) not in ("object", "array"):
                told = {key: inner[key] for key in ("title", "description") if key in inner}
                yield make_leaf(at, name, {**items, **told, **defined}, called, many=True)
        else:
            yield make_leaf(at, name, {**inner, **defined}, called)


def _is_stated(best: _Scored) -> bool:
    """Whether a field has a value at all, by the best that could be it."""
    return best.score >= THRESHOLD and _confidence(best) >= LIKELY


def _confidence(one: _Scored) -> float:
    """The probability of a value being right."""
    mention = one.mention
    whole = (mention.start, mention.end) == mention.sentence
    constant, by_score, by_words = SENTENCE if whole else EXPRESSION
    odds = constant + by_score * one.score + by_words * mention.covered
    return round(1 / (1 + math.exp(-odds)), 4)


def _field(mention: Mention, confidence: float | None) -> Field:
    """What a value rests on: its sentence, or of a long one what stands around it."""
    start, end = mention.sentence
    quote, first = mention.text, start
    if end - start > _LONGEST_QUOTE:
        first, last = mention.window
        quote = mention.text[first - start : last - start]
    evidence = Evidence(passage=mention.passage, quote=quote, hint=first)
    return Field(evidence=(evidence,), confidence=confidence)


def _folded(value: Any) -> Any:
    return " ".join(value.casefold().split()) if isinstance(value, str) else value


def _part_of_another(said: Any, others: Iterable[Any]) -> bool:
    """Whether a value only shortens another: "Acme" beside "Acme Pumps Ltd"."""
    if not isinstance(said, str):
        return False
    own = set(words(said))
    return any(own < set(words(other)) for other in others if isinstance(other, str))
