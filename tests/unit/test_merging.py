"""Merging what parts of a text say: the same comes of it in whatever order they are merged."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rag.analysis.entities import key_of
from rag.analysis.kinds import KINDS, Body
from rag.analysis.kinds.base import Finished
from rag.analysis.reading import Reading
from rag.analysis.requests import Kind, Request, Scope
from rag.models.engine import Context
from rag.models.tasks import Evidence, Extraction, Field, Outcome
from rag.pointers import below
from rag.types import Passage
from tests.analyses import Shelf

PAYMENTS = {
    "type": "object",
    "properties": {
        "payments": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "date": {"type": "string"},
                    "amount": {"type": "number"},
                    "payee": {"type": "string"},
                    "goods": {"type": "array", "items": {"type": "string"}},
                },
            },
        },
        "parties": {"type": "array", "items": {"type": "string"}},
        "buyer": {"type": "string"},
    },
}
REQUEST = Request(kind=Kind.EXTRACTION, scope=Scope(documents=("d",)), schema=PAYMENTS)
Value = Mapping[str, Any]


class Saying:
    """An engine that says one value, with its words as quotes."""

    id = "saying"

    def __init__(self, value: Value) -> None:
        self._value = value

    def run(self, task: Any, context: Context) -> Outcome[Extraction]:
        fields, at = {}, 0
        for pointer, said in _leaves(self._value):
            evidence = Evidence(passage=0, quote=str(said), hint=at)
            at += len(f"{said} / ")
            fields[pointer] = Field(evidence=(evidence,), confidence=0.9)
        value = Extraction(value=self._value, fields=fields)
        return Outcome(value=value, confidence=0.9, engine=self.id)


def _leaves(value: Any, pointer: str = "") -> list[tuple[str, Any]]:
    if not isinstance(value, dict | list):
        return [(pointer, value)]
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    return [leaf for name, one in inner for leaf in _leaves(one, below(pointer, name))]


def extracted(
    values: Sequence[Value], order: Sequence[int], chosen: random.Random | None = None
) -> Finished:
    """What becomes of values said in parts of a text, merged in an order and in some groups."""
    paragraphs = [" / ".join(str(said) for _, said in _leaves(value)) + "." for value in values]
    text = "\n\n".join(paragraphs)
    shelf = Shelf({"d": text})
    kind = KINDS[Kind.EXTRACTION]
    bodies: list[Body] = []
    at = 0
    for value, paragraph in zip(values, paragraphs, strict=True):
        passage = shelf.document("d").passage(at, paragraph)
        at += len(paragraph) + 2
        bodies.append(_read(value, passage, shelf))
    reading = Reading(Saying({}), Context(), shelf)  # type: ignore[arg-type]
    bodies = [bodies[place] for place in order]
    while len(bodies) > 1:
        size = chosen.randint(2, len(bodies)) if chosen else len(bodies)
        first = chosen.randint(0, len(bodies) - size) if chosen else 0
        merged = kind.merge(REQUEST, bodies[first : first + size], reading)
        bodies[first : first + size] = [merged]
    return kind.finish(REQUEST, bodies[0], reading)


def _read(value: Value, passage: Passage, shelf: Shelf) -> Body:
    reading = Reading(Saying(value), Context(), shelf)  # type: ignore[arg-type]
    return KINDS[Kind.EXTRACTION].read(REQUEST, (passage,), reading)


names = st.sampled_from(
    ["Acme Pumps Ltd", "ACME PUMPS LIMITED", "Acme", "Acme Chemicals Ltd", "Borealis GmbH"]
)
payments = st.fixed_dictionaries(
    {},
    optional={
        "date": st.sampled_from(["1 March 2024", "March 1, 2024", "2 March 2024"]),
        "amount": st.sampled_from([500, 500.0, 600, 75.5]),
        "payee": names,
        "goods": st.lists(st.sampled_from(["pumps", "Pumps", "valves"]), max_size=2),
    },
)
values = st.fixed_dictionaries(
    {},
    optional={
        "payments": st.lists(payments, max_size=4),
        "parties": st.lists(names, max_size=3),
        "buyer": names,
    },
)


@given(st.lists(values, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_merging_comes_to_the_same_in_whatever_order_and_groups(
    said: list[dict[str, Any]], chosen: random.Random
) -> None:
    order = list(range(len(said)))
    expected = extracted(said, order)
    chosen.shuffle(order)
    assert extracted(said, order, chosen) == expected


@given(st.lists(values, min_size=1, max_size=6))
def test_different_amounts_are_never_merged_and_no_value_is_lost(
    said: list[dict[str, Any]],
) -> None:
    made = extracted(said, range(len(said)))
    found = [one for value in said for one in value.get("payments", ())]
    listed = made.value.get("payments", [])
    for name in ("amount", "date"):
        assert {key_of(one[name]) for one in found if name in one} == {
            key_of(one[name]) for one in listed if name in one
        }
        assert not [doubt for doubt in made.doubts if doubt.pointer.endswith(name)]
    # Every value of the text is one of the places of the result.
    stated = sum(len(_leaves(value)) for value in said)
    alternatives = [one for doubt in made.doubts for one in doubt.alternatives]
    assert stated == len(
        {place[:3] for of in made.evidence.values() for place in of}
        | {tuple(place[:3]) for one in alternatives for place in one["at"]}
    )


def test_a_payee_under_three_spellings_is_one_and_its_payments_are_not() -> None:
    said = [
        {
            "payments": [
                {"date": "1 March 2024", "amount": 500, "payee": "Acme"},
                {"amount": 600, "date": "1 April 2024", "payee": "Acme"},
            ]
        },
        {"payments": [{"date": "March 1, 2024", "amount": 500, "payee": "ACME PUMPS LIMITED"}]},
        {"payments": [{"date": "1 March 2024", "payee": "Acme Pumps Ltd", "goods": ["pumps"]}]},
        {"buyer": "Acme"},
        {"buyer": "Acme Pumps Ltd"},
    ]
    made = extracted(said, range(len(said)))
    assert made.value == {
        "payments": [
            {
                "date": "1 March 2024",
                "amount": 500,
                "payee": "Acme Pumps Ltd",
                "goods": ["pumps"],
            },
            {"date": "1 April 2024", "amount": 600, "payee": "Acme Pumps Ltd"},
        ],
        "buyer": "Acme Pumps Ltd",
    }
    assert made.spellings["/payments/0/payee"] == ["ACME PUMPS LIMITED", "Acme"]
    assert made.doubts == []


def test_what_could_belong_to_two_payments_is_put_to_neither() -> None:
    said = [
        {"payments": [{"amount": 500, "payee": "Borealis GmbH"}]},
        {"payments": [{"date": "1 March 2024", "amount": 500, "payee": "Borealis GmbH"}]},
        {"payments": [{"date": "2 March 2024", "amount": 500, "payee": "Borealis GmbH"}]},
    ]
    assert len(extracted(said, range(3)).value["payments"]) == 3
    assert len(extracted(said[:2], range(2)).value["payments"]) == 1
