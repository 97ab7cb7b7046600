"""What models do to a valid reply: named faults, and what becomes of each."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from rag.errors import InvalidOutput
from rag.models.asking import Asking
from rag.models.calls import Calls, Meter
from rag.models.chat import ChatBackend, Tokens
from rag.models.engine import Context
from rag.models.limits import Limits
from rag.models.pricing import Pricing
from rag.models.prompts import Prompt
from rag.models.replies import NoReplies
from rag.models.schema import problems
from tests.schemas import a_value, an_object, loosened
from tests.scripted import Model


@dataclass(frozen=True)
class Reply:
    """A valid reply, about to be spoilt."""

    value: Any
    schema: Any
    rng: random.Random

    @cached_property
    def text(self) -> str:
        return json.dumps(self.value, ensure_ascii=False, indent=self.rng.choice([None, 2]))

    def objects(self) -> Iterator[tuple[Any, Any]]:
        """Each object in a copy of the value with its schema; the copy comes first."""
        copy = json.loads(json.dumps(self.value))
        yield copy, self.schema
        yield from _inner(copy, self.schema)

    def with_one(self, change: Callable[[Any, str, Any], bool]) -> str | None:
        """The text with one property changed so that it is not valid any more."""
        walk = list(self.objects())
        places = [(one, schema, name) for one, schema in walk for name in list(one)]
        self.rng.shuffle(places)
        for one, schema, name in places:
            if change(one, name, schema):
                whole = walk[0][0]
                return json.dumps(whole) if problems(whole, self.schema) else None
        return None


def _inner(value: Any, schema: Any) -> Iterator[tuple[Any, Any]]:
    for name, one in value.items():
        own = schema.get("properties", {}).get(name, {})
        if isinstance(one, dict) and "properties" in own:
            yield one, own
            yield from _inner(one, own)


def _prose(reply: Reply) -> str:
    return f"Sure! Here's the JSON you've asked for:\n\n{reply.text}\n\nLet me know if {{x}} fits."


def _thought(reply: Reply) -> str:
    draft = json.dumps(a_value(reply.rng, reply.schema))
    return f"<think>\nIt could be {draft}, but it's not.\n</think>\n\n{reply.text}"


_NOT_IN_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"|([{}\[\]])')


def _brackets(text: str) -> list[int]:
    """Where brackets stand, but for those in strings."""
    return [match.start() for match in _NOT_IN_STRINGS.finditer(text) if match[1]]


def _trailing_comma(reply: Reply) -> str | None:
    text = json.dumps(reply.value)
    places = [at for at in _brackets(text) if text[at] in "]}" and text[at - 1] not in "[{"]
    if not places:
        return None
    at = reply.rng.choice(places)
    return f"{text[:at]},{text[at:]}"


def _bracket_missing(reply: Reply) -> str:
    at = reply.rng.choice(_brackets(reply.text))
    return reply.text[:at] + reply.text[at + 1 :]


def _raw_line_break(reply: Reply) -> str | None:
    text = reply.text
    return text.replace("\\n", "\n") if "\\n" in text else None


def _null_for_optional(reply: Reply) -> str | None:
    for one, schema in (walk := list(reply.objects())):
        for name, own in schema["properties"].items():
            if name not in one and name not in schema["required"] and problems(None, own):
                one[name] = None
                return json.dumps(walk[0][0])
    return None


def _corrected(reply: Reply) -> str | None:
    draft = a_value(reply.rng, reply.schema)
    if json.dumps(draft) == json.dumps(reply.value):
        return None
    return f"{json.dumps(draft)}\n\nWait, that is not right.\n\n{reply.text}"


def _truncated(reply: Reply) -> str:
    return reply.text[: reply.rng.randint(1, len(reply.text) - 1)]


def _unescaped_quote(reply: Reply) -> str | None:
    text = reply.text
    return text.replace('\\"', '"') if '\\"' in text else None


def _elided(reply: Reply) -> str | None:
    """The last property is left out, and a comment says so."""
    if not reply.value:
        return None
    kept = dict(list(reply.value.items())[:-1])
    return json.dumps(kept, indent=2)[:-1] + "  // ... and so on\n}"


def _not_a_number(reply: Reply) -> str | None:
    def change(one: Any, name: str, _: Any) -> bool:
        if isinstance(one[name], bool) or not isinstance(one[name], int | float):
            return False
        one[name] = float("nan")
        return True

    walk = list(reply.objects())
    changed = any(change(one, name, None) for one, _ in walk for name in one)
    return json.dumps(walk[0][0]) if changed else None


def _number_as_string(reply: Reply) -> str | None:
    def change(one: Any, name: str, _: Any) -> bool:
        if isinstance(one[name], bool) or not isinstance(one[name], int | float):
            return False
        one[name] = str(one[name])
        return True

    return reply.with_one(change)


def _missing(reply: Reply) -> str | None:
    def change(one: Any, name: str, schema: Any) -> bool:
        return name in schema["required"] and one.pop(name, reply) is not reply

    return reply.with_one(change)


def _extra(reply: Reply) -> str | None:
    def change(one: Any, name: str, schema: Any) -> bool:
        if schema.get("additionalProperties", True):
            return False
        one["explanation"] = "as asked"
        return True

    return reply.with_one(change)


def _wrong_case(reply: Reply) -> str | None:
    def change(one: Any, name: str, schema: Any) -> bool:
        own = schema["properties"].get(name, {})
        if not ({"enum", "const"} & set(own)) or not isinstance(one[name], str):
            return False
        one[name] = one[name].upper()
        return True

    return reply.with_one(change)


FAULTS: Mapping[str, Callable[[Reply], str | None]] = {
    "in a code fence": lambda reply: f"```json\n{reply.text}\n```",
    "words around it": _prose,
    "thoughts with a draft before it": _thought,
    "the same twice": lambda reply: f"{json.dumps(reply.value)}\n{reply.text}",
    "as a JSON string": lambda reply: json.dumps(reply.text),
    "Python's quotes and constants": lambda reply: repr(reply.value),
    "trailing comma": _trailing_comma,
    "line break in a string": _raw_line_break,
    "null for what is optional": _null_for_optional,
    "a draft, then another": _corrected,
    "truncated": _truncated,
    "a bracket missing": _bracket_missing,
    "quote in a string": _unescaped_quote,
    "a comment for the rest": _elided,
    "NaN": _not_a_number,
    "number as a string": _number_as_string,
    "required property missing": _missing,
    "further property": _extra,
    "enum in capitals": _wrong_case,
    "the schema instead": lambda reply: json.dumps(reply.schema),
}
"""By name: the spoilt text, or ``None`` for a reply that cannot have the fault."""


@dataclass
class Row:
    """What became of one fault.

    ``wrong`` are the seeds whose value was not what was meant, ``miscounted`` those where the
    calls or tokens that were metered are not what the model says it was asked and has used.
    """

    cases: int = 0
    at_once: int = 0
    asked_again: int = 0
    failed: int = 0
    wrong: list[int] = field(default_factory=list)
    miscounted: list[int] = field(default_factory=list)


class Speaker(ChatBackend, Protocol):
    """A model that says what it was asked, and what it says it has used."""

    @property
    def requests(self) -> list[Any]: ...
    @property
    def used(self) -> Tokens: ...


def measure(
    schemas: int, *, first: int = 0, speaker: Callable[..., Speaker] = Model
) -> dict[str, Row]:
    """Every fault on one reply to each of so many random schemas, half of them loose.

    Each is told twice: by a model that does better when it is asked again, and by one that
    does not; of that one nothing but the right value or an error may come. ``speaker`` makes a
    model of what it is to say, in turn.
    """
    rows = {name: Row() for name in FAULTS}
    for seed in range(first, first + schemas):
        rng = random.Random(seed)
        schema = an_object(rng, 3)
        if seed % 2:
            schema = loosened(rng, schema)
        value = a_value(rng, schema)
        for name, spoil in FAULTS.items():
            text = spoil(Reply(value, schema, random.Random(seed)))
            if text is not None:
                better, stubborn = speaker(text, json.dumps(value)), speaker(text)
                _tell(rows[name], seed, schema, value, better, stubborn)
    return rows


def _tell(row: Row, seed: int, schema: Any, value: Any, better: Speaker, stubborn: Speaker) -> None:
    row.cases += 1
    found, counted = _asked(better, schema)
    right = found is not None and _same(found, value)
    row.at_once += right and len(better.requests) == 1
    row.asked_again += right and len(better.requests) > 1
    other, also = _asked(stubborn, schema)
    if not (counted and also):
        row.miscounted.append(seed)
    row.failed += other is None
    if not right or not (other is None or _same(other, value)):
        row.wrong.append(seed)


def _asked(model: Speaker, schema: Any) -> tuple[Any, bool]:
    """What asking a model comes to, ``None`` for an honest failure; and whether books agree."""
    prompt = Prompt(
        task="extract",
        form="test",
        version=1,
        sha256="",
        inputs=("marker",),
        changelog="",
        schema=schema,
        sections=(("system", "Extract."), ("user", "Go.")),
        text="",
    )
    meter = Meter()
    asking = Asking(
        calls=Calls(model, limits=Limits(), meter=meter, pricing=Pricing()),
        replies=NoReplies(),
        secret=b"s",
        context=Context(),
        passages=(),
        window=32_768,
        output_tokens=4_096,
    )
    try:
        said = asking.ask(prompt, schema, {}).said
    except InvalidOutput:
        said = None
    metered = meter.read()[model.id]
    return said, (metered.calls, metered.tokens) == (len(model.requests), model.used)


def _same(one: Any, other: Any) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
