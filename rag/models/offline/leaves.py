"""The fields of a JSON Schema as questions: what each is called, asks for, and may hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rag.models.offline.currencies import currency_of
from rag.models.offline.namings import told_by
from rag.models.offline.values import Kind
from rag.models.offline.words import telling, words
from rag.models.schema import MOST_DEPTH
from rag.pointers import names_of

Schema = Mapping[str, Any]

_CAMEL = re.compile(r"(?<=[a-z\d])(?=[A-Z])|[_\-./]+")
_FORMATS = {
    "date": Kind.DATE,
    "date-time": Kind.DATE,
    "email": Kind.EMAIL,
    "e-mail": Kind.EMAIL,
    "phone": Kind.PHONE,
    "url": Kind.URL,
    "uri": Kind.URL,
    "duration": Kind.DURATION,
}
# What a field is called says what it holds; the first line that matches counts.
_CALLED = tuple(
    (re.compile(rf"\b(?:{expression})\b", re.IGNORECASE), kinds)
    for expression, kinds in (
        # Clauses are about sums, dates and rights; none of these says what they agree on.
        (
            r"terms|clauses?|provisions?|conditions?|obligations?|rights?|restrictions?|sharing|"
            r"commitment|assignment|liability|insurance|exclusivity|license grant",
            (),
        ),
        (r"(?:governing|applicable) law|choice of law", (Kind.PLACE,)),
        (r"e-?mails?|email address(?:es)?", (Kind.EMAIL,)),
        (r"(?:tele)?phones?|telefon\w*|mobile|fax|téléphone|teléfono", (Kind.PHONE,)),
        (r"urls?|websites?|web ?page|homepage|link", (Kind.URL,)),
        (r"\w*dates?|\w*datum|deadline|due on|birthday|fecha", (Kind.DATE,)),
        (r"term|duration|period|laufzeit|dauer|frist|notice|durée|plazo", (Kind.DURATION,)),
        (
            r"percent\w*|(?:interest|tax|vat|growth|discount) rate|margin|prozent\w*",
            (Kind.PERCENT,),
        ),
        (
            r"amount|price|costs?|total|fee|salary|revenues?|sales|income|profit|budget|sum|"
            r"payment|balance|tax|vat|betrag|preis|kosten|umsatz|summe|gehalt|montant|prix|"
            r"precio|importe|金额|价格",
            (Kind.MONEY, Kind.NUMBER),
        ),
        (
            r"(?:number|count) of (?!the\b)|how many|headcount|quantity|anzahl|stückzahl",
            (Kind.NUMBER,),
        ),
        (r"id|number|no|code|reference|ref|nummer|identifier|iban|sku|编号", (Kind.CODE,)),
        (
            r"person|people|author|signatory|signed by|signer|ceo|cfo|manager|contact|chair\w*|"
            r"employee|executive|attendees?|participants?|who",
            (Kind.PERSON,),
        ),
        (
            r"company|companies|organi[sz]ations?|vendor|supplier|customer|client|employer|issuer|"
            r"manufacturer|bank|firma|unternehmen|公司",
            (Kind.ORGANISATION, Kind.NAME),
        ),
        (
            r"country|city|town|states?|jurisdiction|place|location|region|venue|stadt|land|ort",
            (Kind.PLACE,),
        ),
        (
            r"(?:full )?names?|part(?:y|ies)|buyer|seller|landlord|tenant",
            (Kind.ORGANISATION, Kind.PERSON, Kind.NAME),
        ),
    )
)
_SPANS = re.compile(r"\b(?:years?|months?|weeks?|days?|hours?|minutes?)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A field with one value, or a list of such.

    ``asks`` is what is looked for; ``called`` and ``told`` are the telling words of its name and
    of its description, ``words`` all that there are, ``named`` those of its name as they are
    written. ``choices`` are an enumeration's; no ``kinds`` means any text, and a sentence as a
    whole where ``sentences`` may be its value. ``currency`` is what the name says amounts are in.
    """

    pointer: str
    schema: Schema
    asks: str
    called: tuple[str, ...]
    told: tuple[str, ...]
    words: frozenset[str]
    named: frozenset[str]
    type: str
    kinds: tuple[Kind, ...]
    choices: tuple[Any, ...]
    many: bool
    sentences: bool
    currency: str | None


def plain(schema: Any, root: Schema) -> Schema:
    """A schema with references followed, and of alternatives the first that is not null."""
    for _ in range(MOST_DEPTH):
        if not isinstance(schema, Mapping):
            return {}
        if "$ref" in schema:
            schema = {**_target(str(schema["$ref"]), root), **_told(schema)}
        elif others := schema.get("anyOf") or schema.get("oneOf"):
            one: Any = next((other for other in others if _type(other) != "null"), {})
            schema = {**(one if isinstance(one, Mapping) else {}), **_told(schema)}
        else:
            return schema
    return {}


def kind_of_node(schema: Schema) -> str:
    """``object``, ``array``, or the type of a scalar; ``string`` when nothing is said."""
    if "properties" in schema:
        return "object"
    if "items" in schema:
        return "array"
    return _type(schema)


def make_leaf(pointer: str, name: str, schema: Schema, above: str, *, many: bool = False) -> Leaf:
    """A field as a question; ``above`` is what the objects around it are called."""
    title = str(schema.get("title") or "")
    called = " ".join(_CAMEL.sub(" ", name).split())
    told = " ".join(filter(None, (title, str(schema.get("description") or ""))))
    bare = not told or words(told) == words(called)
    known = told_by(called) if bare else ""
    kind = _type(schema)
    choices = tuple(schema["enum"]) if "enum" in schema else ()
    choices = choices or ((schema["const"],) if "const" in schema else ())
    return Leaf(
        pointer=pointer,
        schema=schema,
        asks=": ".join(filter(None, (f"{above} {called}".strip(), known or told))),
        called=tuple(telling(called)) or tuple(words(called)),
        told=() if bare else tuple(telling(told)),
        words=frozenset(words(f"{above} {called} {told} {known}")),
        named=frozenset(called.casefold().split()),
        type=kind,
        kinds=_kinds(kind, schema, called, told),
        choices=tuple(one for one in choices if one is not None),
        many=many,
        sentences=bool(told or known) or len(telling(called)) > 1,
        currency=currency_of(called),
    )


def _kinds(type_: str, schema: Schema, called: str, told: str) -> tuple[Kind, ...]:
    known = _FORMATS.get(str(schema.get("format")))
    if known is not None:
        return (known,)
    suspected = next(
        (kinds for said in (called, told) for form, kinds in _CALLED if form.search(said)), ()
    )
    if type_ in ("number", "integer"):
        numeric = {Kind.MONEY, Kind.PERCENT, Kind.DURATION}
        kept = tuple(kind for kind in suspected if kind in numeric)
        if not kept and currency_of(called) is not None:
            kept = (Kind.MONEY,)
        if not kept and _SPANS.search(f"{called} {told}"):
            kept = (Kind.DURATION,)
        return (*kept, Kind.NUMBER)
    return suspected


def _type(schema: Any) -> str:
    kind = schema.get("type", "string") if isinstance(schema, Mapping) else "string"
    if isinstance(kind, list):
        return next((str(one) for one in kind if one != "null"), "null")
    return str(kind)


def _target(reference: str, root: Schema) -> Schema:
    target: Any = root
    for part in names_of(reference):
        target = target.get(part, {}) if isinstance(target, Mapping) else {}
    return target if isinstance(target, Mapping) else {}


def _told(schema: Schema) -> dict[str, Any]:
    return {key: schema[key] for key in ("title", "description") if key in schema}
