"""Analyses from text to result: nothing found is lost, what is doubtful and unread is said."""

from __future__ import annotations

import json
import math
import random
import re
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from rag.analysis.kinds.shapes import shape_of
from rag.analysis.kinds.summary import summarized
from rag.analysis.library import GivenText
from rag.analysis.plan import FAN_IN, dry_run, merges
from rag.analysis.reading import Place, Reading
from rag.analysis.requests import Kind, Over, Request, Scope, check
from rag.analysis.results import result as made_of
from rag.analysis.run import run_analysis
from rag.errors import IbidemError, InvalidRequest, PayloadTooLarge
from rag.models.chat import ChatReply, ChatRequest, Finish, Tokens
from rag.models.engine import Context
from rag.models.offline.engine import OfflineEngine
from rag.models.schema import problems
from rag.models.tasks import Label
from rag.work import Done, Failed
from tests.analyses import Gold, Oracle, Shelf, cited, counted, lists_of, output_of
from tests.fakes import HashingEmbedder
from tests.scripted import Kept, Model, engine

OFFLINE = OfflineEngine(HashingEmbedder())
LABELS = (Label(name="contract", description="an agreement"), Label(name="weather report"))


def extraction(text: str | None = None, **options: Any) -> Request:
    scope = Scope(text=text) if text is not None else options.pop("scope")
    return Request(kind=Kind.EXTRACTION, scope=scope, **options)


def synthetic(documents: int) -> tuple[dict[str, str], list[Gold]]:
    """Texts of many paragraphs, with values of three fields here and there."""
    chosen = random.Random(5)
    texts, gold = {}, []
    for number in range(documents):
        name, text = f"doc_{number}", ""
        for paragraph in range(chosen.randint(1, 60)):
            text += f"Paragraph {paragraph} says nothing of note about the matter at hand, "
            for field in ("parties", "due dates", "a/b~c"):
                if chosen.random() < 0.2:
                    text += "but that "
                    value = f"{field} {chosen.randint(1, 40)} of Tarrowby"
                    gold.append(Gold(name, field, len(text), len(text) + len(value)))
                    text += value + " is named, "
            text += "and it ends here.\n\n"
        texts[name] = text
    return texts, gold


def test_every_span_that_is_found_comes_through_and_counts_are_those_of_sql() -> None:
    texts, gold = synthetic(30)
    oracle = Oracle(texts, gold, room=1_500)
    fields = sorted({one.field for one in gold})
    request = extraction(scope=Scope(documents=tuple(texts)), schema=lists_of(fields))
    result = run_analysis(request, library=Shelf(texts), engine=oracle)
    assert cited(result) == set(gold) == oracle.given
    assert result["coverage"]["chunks_read"] == oracle.asked > 60
    assert result["dropped_citations"] == 0

    database = sqlite3.connect(":memory:")
    database.execute("create table gold (document, field, value)")
    rows = [(one.document, one.field, texts[one.document][one.start : one.end]) for one in gold]
    database.executemany("insert into gold values (?, ?, ?)", rows)
    counted = database.execute(
        "select document, field, count(distinct lower(value)) from gold group by 1, 2"
    )
    values = {one["document_id"]: one["value"] for one in result["result"]["documents"]}
    for document, field, count in counted:
        assert len(values[document][field]) == count


def test_one_chunk_that_fails_is_counted_and_the_others_stand() -> None:
    texts, gold = synthetic(3)
    whole = Oracle(texts, gold, room=1_500)
    request = extraction(scope=Scope(documents=tuple(texts)), schema=lists_of(["parties"]))
    total = run_analysis(request, library=Shelf(texts), engine=whole)["coverage"]["chunks_total"]
    oracle = Oracle(texts, gold, room=1_500, broken="Paragraph 0 says")
    result = run_analysis(request, library=Shelf(texts), engine=oracle)
    coverage = result["coverage"]
    assert (coverage["chunks_read"], coverage["chunks_total"]) == (total - 3, total)
    assert coverage["failures"] == {"model_error": 3}
    assert [one["document_id"] for one in coverage["failed"]] == list(texts)
    assert coverage["failed"][0]["message"] == "The model was struck dumb."
    assert cited(result) == oracle.given


def test_what_a_failed_merge_was_of_does_not_pass_for_read() -> None:
    taken: dict[str, Any] = {"usage": {}, "calls": 1, "dropped": 0, "engines": [], "notes": []}
    known = {"documents": ["d"], "group": "", "taken": taken}
    body = {"body": {}, "chunks": 1}
    finished = {"value": {}, "confidence": None, "review": [], "not_mentioned": []}
    finished |= {"evidence": {}, "confidences": {}, "spellings": {}}
    done = [
        *(Done(round=0, position=n, payload={}, value=known | body) for n in range(5)),
        Done(round=1, position=0, payload={}, value=known | {"body": {}, "chunks": 3}),
        Done(round=2, position=0, payload={}, value=known | {"chunks": 3, "finished": finished}),
    ]
    failed = [Failed(round=1, position=1, payload={}, error={"code": "model_error"})]
    request = Request(kind=Kind.SUMMARY, scope=Scope(documents=("d",)), over=Over.ALL)
    coverage = made_of(request, Shelf({}), done, failed).value["coverage"]
    assert (coverage["chunks_read"], coverage["chunks_total"]) == (3, 5)
    assert (coverage["failed"][0]["what"], coverage["failures"]) == ("merge", {"model_error": 1})


def test_when_nothing_can_be_read_the_first_reason_is_told() -> None:
    text = "A text."
    oracle = Oracle({"": text}, [], broken="text")
    with pytest.raises(IbidemError, match=r"1 parts of the text.*struck dumb"):
        run_analysis(
            extraction(text, instructions="parties"), library=GivenText(text), engine=oracle
        )


def test_a_document_that_is_deleted_or_changed_meanwhile_fails_alone() -> None:
    texts, gold = synthetic(3)
    texts = {name: text[:1_000] for name, text in texts.items()}

    class Deleting(Shelf):
        def blocks(self, document_id: str) -> Any:
            if document_id == "doc_2":  # it is listed, and then one is gone
                del self.by_id["doc_0"]
            return ()

    request = extraction(scope=Scope(documents=tuple(texts)), schema=lists_of(["parties"]))
    oracle = Oracle(texts, gold)
    result = run_analysis(request, library=Deleting(texts), engine=oracle)
    assert [one["document_id"] for one in result["result"]["documents"]] == ["doc_1", "doc_2"]
    assert result["coverage"]["failures"] == {"not_found": 1}


def says(**fields: list[tuple[Any, str, float]]) -> str:
    """A model's output: of each field values, quotes for them, and confidences."""
    value: dict[str, Any] = {"price": None, "buyer": None}
    told = []
    for name, found in fields.items():
        many = len(found) > 1 or name.endswith("s")
        value[name] = [one for one, _, _ in found] if many else found[0][0]
        for place, (_, quote, sure) in enumerate(found):
            pointer = f"/{name}/{place}" if many else f"/{name}"
            evidence = [{"passage": "P1", "quote": quote}]
            told.append({"pointer": pointer, "evidence": evidence, "confidence": sure})
    return json.dumps({"reasoning": "", "value": value, "fields": told})


class ByWords(Model):
    """Replies with what belongs to the first of some words that a request holds."""

    def __init__(self, replies: Mapping[str, str]) -> None:
        super().__init__()
        self.by_words = replies

    def complete(self, request: ChatRequest, *, timeout: float) -> ChatReply:
        self.requests.append(request)
        asked = request.turns[-1].text
        text = next((reply for words, reply in self.by_words.items() if words in asked), "")
        assert text, asked
        tokens = Tokens(input=counted(request), output=50)
        return ChatReply(text=text, finish=Finish.COMPLETE, model="m", tokens=tokens)


FILLER = " ".join(f"word{number}" for number in range(900))
PARTIES = {
    "type": "object",
    "required": ["price", "buyer"],
    "properties": {
        "parties": {"type": "array", "items": {"type": "string"}},
        "price": {"type": "integer"},
        "buyer": {"type": "string"},
    },
}


def test_one_party_under_three_spellings_is_one_and_contradictions_keep_both_sides() -> None:
    pieces = (
        "The parties are Acme Pumps Ltd (the 'Supplier') and Borealis GmbH. The price is 500.",
        "ACME PUMPS LIMITED delivers to Borealis. A price of 700 applies.",
        "The Supplier bears the risk. Nothing else is agreed at all.",
    )
    text = "\n\n".join(f"{one}\n\n{FILLER}" for one in pieces)
    model = ByWords(
        {
            pieces[0]: says(
                parties=[
                    ("Acme Pumps Ltd", "Acme Pumps Ltd", 0.9),
                    ("Borealis GmbH", "Borealis GmbH", 0.8),
                ],
                price=[(500, "The price is 500", 0.9)],
            ),
            pieces[1]: says(
                parties=[
                    ("ACME PUMPS LIMITED", "ACME PUMPS LIMITED", 0.7),
                    ("Borealis", "delivers to Borealis", 0.7),
                ],
                price=[(700, "A price of 700 applies", 0.4)],
            ),
            pieces[2]: says(
                parties=[("Supplier", "The Supplier bears", 0.6), ("Nobody", "is not there", 1.0)]
            ),
            "word": says(),
        }
    )
    kept = Anything()
    result = run_analysis(
        extraction(text, schema=PARTIES),
        library=GivenText(text),
        engine=engine(model, kept, window=14_000),
    )
    assert len(model.requests) >= 3
    assert result["result"] == {
        "parties": ["Acme Pumps Ltd", "Borealis GmbH"],
        "price": 500,
        "buyer": None,
    }
    assert result["spellings"]["/parties/0"] == ["ACME PUMPS LIMITED", "Supplier"]
    assert len(result["evidence"]["/parties/0"]) == 3
    assert result["not_mentioned"] == ["/buyer"]
    assert result["dropped_citations"] == 1
    (doubt,) = result["review"]
    assert (doubt["pointer"], doubt["reason"], doubt["value"]) == ("/price", "disagreement", 500)
    (other,) = doubt["alternatives"]
    assert other["value"] == 700
    assert [one["cited_text"] for one in other["citations"]] == ["A price of 700 applies"]
    for citations in result["evidence"].values():
        assert all(text[c["start"] : c["end"]] == c["cited_text"] for c in citations)


class Anything(Kept):
    """Replies in memory, of any documents."""

    def put(self, tenant: str, key: str, reply: ChatReply, *, documents: Any, also: Any) -> None:
        self.replies[tenant, key] = reply
        also()


def test_records_of_several_chunks_are_merged_without_duplicates() -> None:
    schema = {
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
                    },
                },
            }
        },
    }

    def rows(*payments: tuple[dict[str, Any], str]) -> str:
        told = [
            {
                "pointer": f"/payments/{place}",
                "evidence": [{"passage": "P1", "quote": quote}],
                "confidence": 0.9,
            }
            for place, (_, quote) in enumerate(payments)
        ]
        value = {"payments": [one for one, _ in payments]}
        return json.dumps({"reasoning": "", "value": value, "fields": told})

    first = "On 1 March 2024, 500 euros are due, and on 1 April 2024, 600 euros."
    second = (
        "Acme is paid 500 on March 1, 2024; on 1 May 2024 it is paid 500 as well, and 70 later."
    )
    text = f"{first}\n\n{FILLER}\n\n{second}\n\n{FILLER}"
    model = ByWords(
        {
            first: rows(
                ({"date": "1 March 2024", "amount": 500}, "1 March 2024, 500 euros"),
                ({"date": "1 April 2024", "amount": 600}, "on 1 April 2024, 600 euros"),
            ),
            second: rows(
                ({"date": "March 1, 2024", "amount": 500, "payee": "Acme"}, "Acme is paid 500"),
                ({"date": "1 May 2024", "amount": 500, "payee": "Acme"}, "on 1 May 2024"),
                ({"amount": 70, "payee": "Acme"}, "and 70 later"),
            ),
            "word": rows(),
        }
    )
    result = run_analysis(
        extraction(text, schema=schema),
        library=GivenText(text),
        engine=engine(model, Anything(), window=14_000),
    )
    payments = result["result"]["payments"]
    assert [(one.get("date"), one["amount"], one.get("payee")) for one in payments] == [
        ("1 March 2024", 500, "Acme"),
        ("1 April 2024", 600, None),
        ("1 May 2024", 500, "Acme"),
        (None, 70, "Acme"),
    ]


class Quoting(Model):
    def complete(self, request: ChatRequest, *, timeout: float) -> ChatReply:
        self.requests.append(request)
        tokens = Tokens(input=counted(request), output=60)
        text = output_of(request)
        return ChatReply(text=text, finish=Finish.COMPLETE, model="m", tokens=tokens)


def long_text(paragraphs: int) -> list[str]:
    return [
        f"Section {number} is about pump number {number}. "
        + " ".join(
            f"It was seen on day {day} that the pump ran well for {number + day} hours, which the "
            "engineers of the northern works had not expected after the repair of its bearings."
            for day in range(12)
        )
        for number in range(paragraphs)
    ]


class Brief(Quoting):
    """Says of excerpts only their first sentence on the fifth day."""

    def complete(self, request: ChatRequest, *, timeout: float) -> ChatReply:
        self.requests.append(request)
        (quote,) = re.findall(r"It was seen on day 5 [^.]+\.", request.turns[-1].text)[:1]
        evidence = [{"passage": "P1", "quote": quote}]
        topic = {"text": f"It says: {quote}", "evidence": evidence}
        empty: dict[str, Any] = {"reasoning": "", "key_findings": [], "conclusions": []}
        names = request.schema["properties"] if request.schema else {}
        said = {**empty, "main_topic": topic, "confidence": 0.8}
        text = json.dumps({name: said.get(name, "") for name in names})
        return ChatReply(
            text=text, finish=Finish.COMPLETE, model="m", tokens=Tokens(input=9, output=9)
        )


def test_of_500_chunks_one_that_changes_costs_its_call_and_the_merges_above_it() -> None:
    parts = long_text(510)
    model = Brief()
    reader = engine(model, Anything(), window=8_000)
    request = Request(kind=Kind.SUMMARY, scope=Scope(documents=("d",)), over=Over.ALL)

    def run(text: str) -> tuple[Mapping[str, Any], int]:
        before = len(model.requests)
        made = run_analysis(request, library=Shelf({"d": text}), engine=reader)
        return made, len(model.requests) - before

    text = "\n\n".join(parts)
    result, first = run(text)
    chunks = result["coverage"]["chunks_total"]
    assert chunks >= 500
    assert first == chunks + merges(chunks)
    again, second = run(text)
    assert (second, again["result"]) == (0, result["result"])
    # In the sentence that is cited to the end: every merge above it reads it.
    (cited,) = result["evidence"]["/main_topic"]
    quote = cited["cited_text"]
    changed = text.replace(quote, quote.replace("engineers", "machinists"))
    assert changed != text
    other, third = run(changed)
    assert "machinists" in other["result"]["main_topic"]
    assert third == 1 + math.ceil(math.log(chunks, FAN_IN))


def test_a_summary_of_any_length_is_read_to_the_end_and_cites() -> None:
    text = "\n\n".join(long_text(200))
    result = run_analysis(
        Request(kind=Kind.SUMMARY, scope=Scope(text=text)), library=GivenText(text), engine=OFFLINE
    )
    coverage = result["coverage"]
    assert coverage["chunks_read"] == coverage["chunks_total"] > 8
    assert 1 <= len(result["result"]["key_findings"]) <= 5
    assert set(result["evidence"]) >= {"/main_topic", "/key_findings/0"}
    for citations in result["evidence"].values():
        assert all(text[one["start"] : one["end"]] == one["cited_text"] for one in citations)


def test_contradictions_between_distant_parts_are_kept_with_both_sides() -> None:
    one = "The committee decided that the northern plant closes in June because demand fell."
    other = (
        "The committee decided that the northern plant does not close in June because demand rose."
    )
    text = f"{one}\n\n" + "\n\n".join(long_text(120)) + f"\n\n{other}"
    result = run_analysis(
        Request(kind=Kind.REASONING, scope=Scope(text=text)),
        library=GivenText(text),
        engine=OFFLINE,
    )
    assert result["coverage"]["chunks_total"] > 2
    sides = [
        (pair["one"], pair["other"])
        for pair in result["result"]["contradictions"]
        if "northern plant" in pair["one"]
    ]
    assert len(sides) >= 1
    at = next(
        k
        for k, pair in enumerate(result["result"]["contradictions"])
        if "northern plant" in pair["one"]
    )
    places = [
        result["evidence"][f"/contradictions/{at}/{side}"][0]["start"] for side in ("one", "other")
    ]
    assert min(places) < 100 < len(text) - 200 < max(places)


def test_parts_that_do_not_agree_on_a_label_are_for_review() -> None:
    pump = "This agreement is made between the parties, who agree to the contract. " * 300
    rain = "The weather report says that rain and wind will come from the west. " * 300
    text = f"{pump}\n\n{rain}"
    result = run_analysis(
        Request(kind=Kind.CLASSIFICATION, scope=Scope(text=text), labels=LABELS),
        library=GivenText(text),
        engine=OFFLINE,
    )
    assert result["result"]["primary"] in ("contract", "weather report")
    assert {one["reason"] for one in result["review"]} >= {"disagreement"}


def test_a_property_of_any_type_may_be_required() -> None:
    schema = {"type": "object", "properties": {"price": True}, "required": ["price"]}
    request = extraction("Nothing is agreed at all.", schema=schema)
    result = run_analysis(request, library=GivenText("Nothing is agreed at all."), engine=OFFLINE)
    assert result["result"] == {"price": None}


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_works_offline_by_document_and_over_all(kind: Kind) -> None:
    texts = {f"d{number}": "\n\n".join(long_text(3 + number)) for number in range(3)}
    given = {
        Kind.EXTRACTION: {"instructions": "the pump number and the days"},
        Kind.CLASSIFICATION: {"labels": LABELS},
    }.get(kind, {})
    for over in Over:
        request = Request(kind=kind, scope=Scope(documents=tuple(texts)), over=over, **given)
        result = run_analysis(request, library=Shelf(texts), engine=OFFLINE)
        assert result["coverage"]["chunks_read"] == 3
        assert "failed_validation" not in {one["reason"] for one in result["review"]}
        values = [one["value"] for one in result["result"].get("documents", [])]
        for value in values or [result["result"]]:
            assert problems(value, shape_of(request)) == []
        assert result["usage"]["cost_usd"] == 0
        if over is Over.EACH:
            assert [one["document_id"] for one in result["result"]["documents"]] == list(texts)


@pytest.mark.parametrize(
    ("asked", "paragraphs", "window"),
    [
        ({"kind": Kind.SUMMARY}, 3, 128_000),
        ({"kind": Kind.SUMMARY}, 300, 16_000),
        (
            {"kind": Kind.EXTRACTION, "instructions": "the pumps, the hours and the days"},
            40,
            16_000,
        ),
        ({"kind": Kind.REASONING}, 150, 32_000),
        ({"kind": Kind.CLASSIFICATION, "labels": LABELS}, 80, 32_000),
    ],
)
def test_a_dry_run_says_what_the_run_then_takes(
    asked: dict[str, Any], paragraphs: int, window: int
) -> None:
    text = "\n\n".join(long_text(paragraphs))
    request = Request(scope=Scope(text=text), **asked)
    model = Quoting()
    reader = engine(model, Anything(), window=window)
    told = dry_run(request, GivenText(text), reader, Context())
    assert not model.requests
    result = run_analysis(request, library=GivenText(text), engine=reader)
    usage = result["usage"]
    assert told.forecast.calls == result["calls"] == len(model.requests)
    assert told.stretches == result["coverage"]["chunks_total"]
    assert told.forecast.input_tokens == pytest.approx(usage["input_tokens"], rel=0.15)
    assert told.forecast.most_output_tokens >= usage["output_tokens"]
    assert told.forecast.most_usd is not None
    assert told.forecast.most_usd >= usage["cost_usd"]


def test_what_a_summary_rests_on_is_never_too_much_for_a_small_window() -> None:
    # The model quotes each sentence that it is shown: its summaries leave nothing out.
    text = "\n\n".join(long_text(60))
    model = Quoting()
    reader = engine(model, Anything(), window=6_000)
    request = Request(kind=Kind.SUMMARY, scope=Scope(text=text))
    result = run_analysis(request, library=GivenText(text), engine=reader)
    coverage = result["coverage"]
    assert coverage["failed"] == []
    assert coverage["chunks_read"] == coverage["chunks_total"] > 10
    assert result["evidence"]["/main_topic"]


def test_a_sentence_that_several_statements_rest_on_is_read_once() -> None:
    text = "\n\n".join(long_text(60))
    spans = [one.span() for one in re.finditer(r"It was seen on day 5 [^.]+\.", text)]
    found = [Place("", start, end, "exact") for start, end in spans]
    request = Request(kind=Kind.SUMMARY, scope=Scope(text=text))

    def calls(found: Sequence[Place]) -> int:
        reader = engine(Brief(), Anything(), window=6_000)
        reading = Reading(reader, Context(), GivenText(text))
        assert summarized(request, found, reading)["main_topic"]
        return reading.calls

    assert calls([one for one in found for _ in range(3)]) == calls(found) > 2


OBJECT = {"type": "object", "properties": {"a": {"type": "string"}}}


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Request(kind=Kind.SUMMARY, scope=Scope()), "one of these"),
        (Request(kind=Kind.SUMMARY, scope=Scope(text="a", documents=("d",))), "one of these"),
        (Request(kind=Kind.SUMMARY, scope=Scope(text="  ")), "empty"),
        (Request(kind=Kind.SUMMARY, scope=Scope(text="a", filter={})), "filter goes with"),
        (Request(kind=Kind.SUMMARY, scope=Scope(documents=("d", "d"))), "twice"),
        (Request(kind=Kind.SUMMARY, scope=Scope(text="a"), schema=OBJECT), "takes no schema"),
        (Request(kind=Kind.SUMMARY, scope=Scope(text="a"), labels=LABELS), "takes no labels"),
        (Request(kind=Kind.CLASSIFICATION, scope=Scope(text="a")), "two labels"),
        (
            Request(kind=Kind.CLASSIFICATION, scope=Scope(text="a"), labels=(LABELS[0],) * 2),
            "name of its own",
        ),
        (extraction("a"), "needs a schema, or instructions"),
        (extraction("a", schema={"type": "array"}), "must be of an object"),
        (extraction("a", schema={"type": "object"}), "no properties"),
        (
            extraction(
                "a",
                schema={
                    "type": "object",
                    "properties": {"a": {"type": "integer", "minimum": 3, "maximum": 2}},
                },
            ),
            "minimum is above maximum",
        ),
        (
            extraction(
                "a",
                schema={**OBJECT, "required": ["b"], "additionalProperties": False},
            ),
            "b is required",
        ),
        (
            extraction("a", schema={**OBJECT, "description": "x" * 1_000_000}),
            "1000\\d\\d\\d bytes",
        ),
        (extraction("a", instructions="x" * 30_000), "longer than"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_done(
    request_: Request, message: str
) -> None:
    with pytest.raises(InvalidRequest, match=message):
        check(request_)


def test_a_text_over_the_limit_is_refused() -> None:
    with pytest.raises(PayloadTooLarge, match="upload it"):
        check(Request(kind=Kind.SUMMARY, scope=Scope(text="a" * 5_000_001)))


def test_requests_are_stored_and_come_back_the_same() -> None:
    one = Request(
        kind=Kind.CLASSIFICATION,
        scope=Scope(collection="c", filter={"year": 2024}),
        over=Over.ALL,
        labels=(Label(name="a", examples=("b",)), Label(name="c", description="d")),
        budget_usd=1.5,
    )
    assert Request.from_json(json.loads(json.dumps(one.as_json()))) == one
