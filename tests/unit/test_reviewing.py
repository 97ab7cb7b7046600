"""Corrections win, say whose they are, and stay with what they are of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rag.analysis.decisions import Action, Decided
from rag.analysis.requests import Kind, Request, Scope
from rag.analysis.reviewing import check_correction, mark_of, reviewed
from rag.errors import InvalidRequest, NotFound
from rag.models.tasks import Label

PAYMENTS = [{"payee": "Acme", "amount": 1}, {"payee": "Borealis", "amount": 2}]


def found(*payments: dict[str, Any], rent: Any = 5) -> dict[str, Any]:
    """A result of one document, as it was found."""
    value = {"payments": [dict(one) for one in payments], "rent": rent}
    row = {"document_id": "doc", "document_title": "", "document_name": "", "confidence": 0.3}
    under = "/documents/0/value"
    sure = {f"{under}/payments/{n}/amount": 0.3 + n for n in range(len(payments))}
    sure |= {f"{under}/rent": 0.9}
    places = ["", "/rent", *(f"/payments/{n}/amount" for n in range(len(payments)))]
    return {
        "result": {"documents": [{**row, "value": value}]},
        "evidence": {at: [{"cited_text": at}] for at in sure},
        "confidences": sure,
        "confidence": 0.3,
        "spellings": {},
        "not_mentioned": [],
        "review": [
            {"number": n, "document_id": "doc", "at": at, "pointer": f"{under}{at}"}
            for n, at in enumerate(places)
        ],
        "notes": [],
    }


def decided(result: dict[str, Any], at: str, value: Any = None) -> Decided:
    action = Action.ACCEPT if value is None else Action.CORRECT
    doubt = next(one for one in result["review"] if one["at"] == at)
    mark = mark_of(result, doubt, action)
    return Decided(document_id="doc", pointer=at, action=action, value=value, note=None, key="k",
                   mark=mark)  # fmt: skip


def value_of(result: dict[str, Any]) -> Any:
    return result["result"]["documents"][0]["value"]


def test_a_corrected_value_has_no_proof_of_what_was_there_before() -> None:
    result = found(*PAYMENTS)
    made = reviewed(Kind.EXTRACTION, result, [decided(result, "/payments/0/amount", 7)])
    at = "/documents/0/value/payments/0/amount"
    assert value_of(made)["payments"][0]["amount"] == 7
    assert at not in made["evidence"]
    assert at not in made["confidences"]
    assert made["corrected_by"] == {at: "k"}
    assert made["result"]["documents"][0]["confidence"] == made["confidence"] == 0.9
    doubt = next(one for one in made["review"] if one["pointer"] == at)
    assert doubt["citations"] == result["evidence"][at]
    assert doubt["decision"]["value"] == 7


def test_decisions_on_items_of_lists_go_with_the_items_when_the_result_is_made_anew() -> None:
    result = found(*PAYMENTS)
    of_second = decided(result, "/payments/1/amount", 7)
    accepted = decided(result, "/rent")
    again = reviewed(
        Kind.EXTRACTION, found({"payee": "New", "amount": 2}, *PAYMENTS), [of_second, accepted]
    )
    assert [one["amount"] for one in value_of(again)["payments"]] == [2, 1, 7]
    assert [one["at"] for one in again["review"] if one["decision"]] == [
        "/rent",
        "/payments/2/amount",
    ]
    gone = reviewed(Kind.EXTRACTION, found(PAYMENTS[0], rent=6), [of_second, accepted])
    assert value_of(gone) == {"payments": PAYMENTS[:1], "rent": 6}
    assert gone["corrections"] == []
    assert "/payments/1/amount by k was left out" in gone["notes"][0]
    assert not any(one["decision"] for one in gone["review"])
    of_rent = decided(result, "/rent", 9)  # what has a name stays what it is
    assert value_of(reviewed(Kind.EXTRACTION, found(rent=6), [of_rent]))["rent"] == 9


def test_corrections_of_a_whole_and_of_its_parts_do_not_get_in_each_others_way() -> None:
    result = found(*PAYMENTS)
    part = decided(result, "/payments/1/amount", 7)
    whole = decided(result, "", {"payments": [], "rent": 1})
    for order in ([part, whole], [whole, part]):
        made = reviewed(Kind.EXTRACTION, result, order)
        assert value_of(made) == {"payments": [], "rent": 1}
        assert list(made["corrected_by"]) == ["/documents/0/value"]
    request = Request(kind=Kind.EXTRACTION, scope=Scope(documents=("doc",)), schema=SCHEMA)
    with pytest.raises(InvalidRequest, match="correct that"):
        check_correction(request, made, result["review"][3], 8)


SCHEMA = {
    "type": "object",
    "properties": {
        "rent": {"type": "integer"},
        "payments": {"type": "array", "items": {"type": "object"}},
    },
}


def test_a_correction_has_to_fit_its_place() -> None:
    result = found(*PAYMENTS, rent="wrong already")
    request = Request(kind=Kind.EXTRACTION, scope=Scope(documents=("doc",)), schema=SCHEMA)
    made = reviewed(Kind.EXTRACTION, result, [])
    whole, rent, *_ = result["review"]
    for doubt, value in ((rent, "many"), (whole, 3), (whole, {"rent": "x"}), (whole, {"odd": 1})):
        with pytest.raises(InvalidRequest):
            check_correction(request, made, doubt, value)
    with pytest.raises(NotFound):
        check_correction(request, made, {**rent, "at": "/payments/9/amount"}, 3)
    check_correction(request, made, rent, 3)
    check_correction(request, made, whole, {"rent": 3})


def test_a_corrected_classification_is_of_a_label_that_there_is() -> None:
    value = {"primary": "a", "secondary": None, "confidence": 0.4, "scores": {"a": 0.4},
             "features": ["so"], "uncertainty": None}  # fmt: skip
    labels = (Label(name="a"), Label(name="b"))
    request = Request(kind=Kind.CLASSIFICATION, scope=Scope(text="x"), labels=labels)
    doubt = {"number": 0, "document_id": None, "at": "/primary", "pointer": "/primary"}
    result = {**found(), "result": value, "review": [doubt], "confidence": 0.4,
              "confidences": {"/primary": 0.4}, "evidence": {"/features/0": [{}]}}  # fmt: skip
    made = reviewed(Kind.CLASSIFICATION, result, [])
    for at, wrong in (("/primary", "c"), ("", {**value, "primary": "c"}), ("", {"primary": "b"}),
                      ("", {**value, "scores": {"c": 1}})):  # fmt: skip
        with pytest.raises(InvalidRequest):
            check_correction(request, made, {**doubt, "at": at}, wrong)
    check_correction(request, made, doubt, "b")
    one = replace(decided(found(), "/rent", "b"), document_id=None, pointer="/primary")
    after = reviewed(Kind.CLASSIFICATION, result, [one])
    told = after["result"]
    assert (told["primary"], told["confidence"], told["features"]) == ("b", None, [])
    assert (after["evidence"], after["confidences"], after["confidence"]) == ({}, {}, None)
