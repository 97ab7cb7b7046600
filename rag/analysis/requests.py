"""What an analysis is asked to do: a kind, what it is over, and how far it may go."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from rag.analysis.contradictions import check_contradictions
from rag.errors import InvalidRequest, PayloadTooLarge
from rag.models.schema import check_schema
from rag.models.tasks import Label
from rag.models.wording.gaps import with_gaps

MOST_TEXT = 5_000_000
"""Code points of a text that comes with its request; longer ones are documents to upload."""
MOST_SCHEMA_BYTES = 100_000
MOST_LABELS = 200
MOST_INSTRUCTIONS = 20_000
SURE = 0.5
"""What is less probable to be right than this is to be reviewed, unless the caller says else."""

_MOST_FIELDS = 100
_PARTS = re.compile(r"[\n;]+|,\s+(?:and\s+)?|\s+and\s+")
_NUMBERED = re.compile(r"^\s*(?:[-*•]|\d{1,3}[.)])\s*")
_ASKING = re.compile(
    r"(?i)^(?:please\s+)?(?:extract|find|list|give|get|return|fill in|(?:what|who) (?:is|are))\s+"
    r"(?:me\s+)?(?:all\s+(?:of\s+)?|every\s+|each\s+)*"
)
_ARTICLE = re.compile(r"(?i)^(?:the|an?|its|their)\s+")
_NAMED = re.compile(r"(?P<name>[^:(]{1,80}?)\s*(?:[:(]\s*(?P<told>.*?)\)?)?\s*[.?]?\s*")
_MANY = re.compile(r"(?i)^(?!number_of_).*(?:[^s]s|ies|people|persons)$(?<!terms)")


class Kind(StrEnum):
    """What is made of the text."""

    SUMMARY = "summary"
    EXTRACTION = "extraction"
    REASONING = "reasoning"
    CLASSIFICATION = "classification"
    REPORT = "report"


class Over(StrEnum):
    """Whether there is one result for each document, or one for all of them together."""

    EACH = "each"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What is analyzed: a text, or documents by id, or those of a collection that pass a filter."""

    text: str | None = None
    documents: tuple[str, ...] = ()
    collection: str | None = None
    filter: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An analysis as it is asked for; `check` says what is wrong with it.

    ``confidence_threshold`` is the probability of being right below which a result is to be
    reviewed. ``findings`` bounds those of a summary. ``engine`` is a name, and ``prompt`` a
    version of one; without them the service's own are taken.
    """

    kind: Kind
    scope: Scope
    over: Over | None = None
    instructions: str | None = None
    schema: Mapping[str, Any] | None = None
    labels: tuple[Label, ...] = ()
    confidence_threshold: float = SURE
    findings: int | None = None
    engine: str | None = None
    budget_usd: float | None = None
    fields: Mapping[str, Any] = field(init=False, repr=False, compare=False)
    """The schema that is filled: the caller's, or one of what the instructions name."""

    def __post_init__(self) -> None:
        """Work out what the request leaves open."""
        object.__setattr__(self, "fields", self.schema or fields_of(self.instructions or ""))

    @property
    def by_document(self) -> bool:
        """Whether each document has a result of its own."""
        if self.over is not None:
            return self.over is Over.EACH
        several = self.scope.text is None
        return several and self.kind in (Kind.EXTRACTION, Kind.CLASSIFICATION)

    @property
    def record_schema(self) -> dict[str, Any]:
        """The schema of a record in which what is not mentioned may be missing, or null."""
        relaxed, definitions = with_gaps(self.fields)
        return {**relaxed, "$defs": definitions} if definitions else relaxed

    def as_json(self) -> dict[str, Any]:
        """The request as it is stored."""
        made = asdict(self)
        del made["fields"]
        return made

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Request:
        """The request that was stored."""
        labels = [{**one, "examples": tuple(one["examples"])} for one in stored["labels"]]
        scope = {**stored["scope"], "documents": tuple(stored["scope"]["documents"])}
        over = stored["over"]
        return cls(
            **{
                **stored,
                "kind": Kind(stored["kind"]),
                "scope": Scope(**scope),
                "over": None if over is None else Over(over),
                "labels": tuple(Label(**one) for one in labels),
            }
        )


def check(request: Request) -> None:
    """Refuse what cannot be done, before anything is done.

    Raises:
        InvalidRequest: The message says what is missing, too much, or contradicts itself.
        PayloadTooLarge: The text is too long to come with a request.
    """
    _check_scope(request.scope)
    if len(request.instructions or "") > MOST_INSTRUCTIONS:
        raise InvalidRequest(
            f"The instructions are longer than {MOST_INSTRUCTIONS} characters.",
            param="instructions",
        )
    if request.kind is Kind.EXTRACTION:
        _check_fields(request)
    elif request.schema is not None:
        raise InvalidRequest(f"A {request.kind} takes no schema.", param="schema")
    if request.kind is Kind.CLASSIFICATION:
        _check_labels(request.labels)
    elif request.labels:
        raise InvalidRequest(f"A {request.kind} takes no labels.", param="labels")


def _check_scope(scope: Scope) -> None:
    given = [scope.text is not None, bool(scope.documents), scope.collection is not None]
    if sum(given) != 1:
        raise InvalidRequest(
            "An analysis is over one of these: a text, documents by id, or a collection.",
            param="collection",
        )
    if scope.filter is not None and scope.collection is None:
        raise InvalidRequest("A filter goes with a collection.", param="filter")
    if len(set(scope.documents)) < len(scope.documents):
        raise InvalidRequest("A document is named twice.", param="documents")
    if scope.text is not None:
        if len(scope.text) > MOST_TEXT:
            raise PayloadTooLarge(
                f"The text has {len(scope.text)} characters, and {MOST_TEXT} can be analyzed in a "
                "request; upload it as a document, and analyze that.",
                param="text",
            )
        if not scope.text.strip():
            raise InvalidRequest("The text is empty.", param="text")


def _check_fields(request: Request) -> None:
    if request.schema is None:
        if not request.fields["properties"]:
            raise InvalidRequest(
                "An extraction needs a schema, or instructions that name what to extract.",
                param="schema",
            )
        return
    size = len(json.dumps(request.schema))
    if size > MOST_SCHEMA_BYTES:
        raise InvalidRequest(
            f"The schema has {size} bytes; {MOST_SCHEMA_BYTES} are the most.", param="schema"
        )
    check_schema(request.schema)
    if not request.schema.get("properties"):
        raise InvalidRequest("The schema has no properties to fill.", param="schema")
    check_contradictions(request.schema)


def _check_labels(labels: Sequence[Label]) -> None:
    names = [one.name.strip() for one in labels]
    if len(names) < 2:
        raise InvalidRequest("A classification needs two labels or more.", param="labels")
    if len(names) > MOST_LABELS:
        raise InvalidRequest(
            f"A classification takes {MOST_LABELS} labels at most.", param="labels"
        )
    if not all(names) or len(set(names)) < len(names):
        raise InvalidRequest("Each label needs a name of its own.", param="labels")


def fields_of(instructions: str) -> dict[str, Any]:
    """A schema of what instructions name: "the parties, the effective date and the price".

    What is named in the plural is a list. No model is asked, so that the same words are always
    the same schema.
    """
    properties: dict[str, Any] = {}
    for part in _PARTS.split(instructions):
        bare = _ARTICLE.sub("", _ASKING.sub("", _NUMBERED.sub("", part)).strip())
        named = _NAMED.fullmatch(bare)
        name = "_".join(re.findall(r"\w+", named["name"].casefold())) if named else ""
        if not name or len(properties) >= _MOST_FIELDS:
            continue
        told = " ".join(filter(None, (named["name"], named["told"]))) if named else name
        text = {"type": "string"}
        many = _MANY.search(name) is not None
        shape: dict[str, Any] = {"type": "array", "items": text} if many else text
        properties[name] = {**shape, "description": told}
    return {"type": "object", "properties": properties}
