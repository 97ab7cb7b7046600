"""Claims over REST and from the command line: by documents, and by texts that come along."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.conftest import LEASE, Rest


def verify(rest: Rest, *claims: str, **body: Any) -> Any:
    reply = rest.client.post("/v1/verify", json={"claims": list(claims), **body})
    assert reply.status_code == 200, reply.text
    return reply.json()["data"]


def test_claims_are_judged_by_documents(rest: Rest, lease: str, pump: str) -> None:
    supported, contradicted, unknown = verify(
        rest,
        "Either party may end the lease with a notice of ninety days in writing.",
        "The monthly rent is 1,500 euros, due on the third working day.",
        "The moon is made of green cheese.",
    )
    assert [one["verdict"] for one in (supported, contradicted, unknown)] == [
        "supported", "contradicted", "not_found",
    ]  # fmt: skip
    for one in (supported, contradicted):
        (citation,) = one["evidence"]
        start, end = citation["start_char_index"], citation["end_char_index"]
        assert citation["document_id"] == lease
        assert LEASE[start:end] == citation["cited_text"]
        assert 0 < one["score"] <= 1
        assert (citation["support"] is None) == (rest.services.judge is None)
    assert (unknown["evidence"], unknown["score"]) == ([], None)
    assert unknown["passages"]


def test_claims_are_judged_by_texts_that_come_along(rest: Rest) -> None:
    texts = ["Nothing of the kind.", "The Osprey pump weighs 42 kg without its base plate."]
    (found,) = verify(
        rest,
        "The Osprey pump weighs 42 kg without its base plate.",
        passages=[{"text": text, "title": "note"} for text in texts],
    )
    assert found["verdict"] == "supported"
    (citation,) = found["evidence"]
    assert (citation["document_id"], citation["document_title"]) == ("passages/1", "note")
    assert texts[1][citation["start_char_index"] : citation["end_char_index"]] == texts[1]


def test_a_filter_bounds_what_claims_are_judged_by(rest: Rest, lease: str, pump: str) -> None:
    claim = "The casing of the Linnet pump is of cast bronze."
    (found,) = verify(rest, claim, filter={"kind": "contract"})
    assert {one["document_id"] for one in found["passages"]} == {lease}
    assert found["verdict"] == "not_found"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"claims": []}, "claims"),
        ({"claims": [" "]}, "claims.0"),
        ({"claims": ["x"] * 21}, "claims"),
        ({"claims": ["x"], "passages": [{"text": ""}]}, "passages.0.text"),
        ({"claims": ["x"], "passages": [{"text": "y"}], "collection": "a"}, "collection"),
        ({"claims": ["x"], "passages": [{"text": "y"}], "filter": {"a": 1}}, "filter"),
        ({"claims": ["x"], "engine": "none"}, "engine"),
        ({"claims": ["x"], "prompt": "verify/strict"}, "prompt"),
        ({"claims": ["x"], "prompt": "answer/strict"}, "prompt"),
    ],
)
def test_what_is_wrong_is_named(rest: Rest, body: dict[str, Any], param: str) -> None:
    reply = rest.client.post("/v1/verify", json=body)
    assert (reply.status_code, reply.json()["error"]["param"]) == (422, param), reply.text
