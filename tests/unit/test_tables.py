"""Counts, groups and extremes over records equal those of SQL; documents stand side by side."""

from __future__ import annotations

import random
import sqlite3
from typing import Any

import pytest

from rag.analysis import tree
from rag.analysis.tables import Aggregation, Operation, aggregate, compare, day_of, number_of
from rag.errors import InvalidRequest


def made(documents: int) -> tuple[dict[str, Any], sqlite3.Connection]:
    """A result of many records, and the same in a database."""
    chosen = random.Random(3)
    database = sqlite3.connect(":memory:")
    database.execute("create table payments (document, payee, amount, day)")
    rows = []
    for number in range(documents):
        payments = [
            {
                "payee": chosen.choice(["Acme Ltd", "ACME LIMITED", "Borealis", "Corvus"]),
                "amount": chosen.choice([chosen.randint(1, 9_000), None]),
                "day": f"2024-{chosen.randint(1, 12):02}-{chosen.randint(1, 28):02}",
            }
            for _ in range(chosen.randint(0, 6))
        ]
        for one in payments:
            payee = "Acme Ltd" if one["payee"] == "ACME LIMITED" else one["payee"]
            values = (f"doc_{number}", payee, one["amount"], one["day"])
            database.execute("insert into payments values (?, ?, ?, ?)", values)
        rows.append(
            {
                "document_id": f"doc_{number}",
                "document_title": "",
                "document_name": "",
                "value": {"payments": payments},
            }
        )
    return {"documents": rows}, database


def test_what_is_computed_is_what_sql_computes() -> None:
    result, database = made(200)

    def of(op: Operation, at: str) -> Any:
        return aggregate(result, Aggregation(op=op, of=at))

    (count, documents) = database.execute(
        "select count(*), count(distinct document) from payments"
    ).fetchone()
    counted = of(Operation.COUNT, "/payments/*")
    assert (counted["count"], counted["documents"]) == (count, documents)
    (least, most, total) = database.execute(
        "select min(amount), max(amount), sum(amount) from payments"
    ).fetchone()
    assert of(Operation.MIN, "/payments/*/amount")["value"] == least
    assert of(Operation.MAX, "/payments/*/amount")["value"] == most
    assert of(Operation.SUM, "/payments/*/amount")["value"] == total
    groups = {
        one["value"]: one["count"] for one in of(Operation.GROUP, "/payments/*/payee")["groups"]
    }
    by_name = dict(database.execute("select payee, count(*) from payments group by payee"))
    assert {name.replace("ACME LIMITED", "Acme Ltd"): n for name, n in groups.items()} == by_name
    days = [one["date"] for one in of(Operation.TIMELINE, "/payments/*/day")["timeline"]]
    assert days == [day for (day,) in database.execute("select day from payments order by day")]


def test_entries_name_their_place_in_the_result() -> None:
    result, _ = made(30)
    largest = aggregate(result, Aggregation(op=Operation.MAX, of="/payments/*/amount"))
    for entry in largest["entries"]:
        value: Any = result
        for step in entry["pointer"].split("/")[1:]:
            value = value[int(step)] if isinstance(value, list) else value[step]
        assert value == entry["value"] == largest["value"]


def test_what_is_no_number_or_date_is_counted_and_not_guessed() -> None:
    values = ["$1,200", "about ten", True, 7, "5 to 10", "3 March 2024"]
    assert [number_of(one) for one in values[:5]] == [1200, None, None, 7, None]
    assert [day_of(one) for one in ("3 March 2024", "soon", 7)] == ["2024-03-03", None, None]
    result = {"prices": values[:5]}
    added = aggregate(result, Aggregation(op=Operation.SUM, of="/prices/*"))
    assert (added["value"], added["count"], added["unreadable"]) == (1207, 5, 3)


def test_names_with_digits_are_no_numbers_and_are_told() -> None:
    names = ["Route 66", "Form 10-Q", "TX-125", "3M", "20th Century Fox", "12 Angry Men", "007"]
    stated = {"30 days": 30, "about 5 kg": 5, "two (2) years": 2, "5kg": 5, "30 Tage": 30}
    priced = {"EUR 1,200 a month": 1200, "It rose by 5 %.": 5, "(400)": -400}
    assert [number_of(one) for one in names] == [None] * len(names)
    assert {said: number_of(said) for said in (*stated, *priced)} == stated | priced
    added = aggregate({"sizes": [*names, "12 pumps"]}, Aggregation(op=Operation.SUM, of="/sizes/*"))
    assert (added["value"], added["unreadable"]) == (12, len(names))
    assert [one["value"] for one in added["left_out"]] == names


def test_periods_add_up_within_a_unit() -> None:
    def added(*terms: str) -> tuple[Any, Any]:
        found = aggregate({"terms": [*terms]}, Aggregation(op=Operation.SUM, of="/terms/*"))
        return found["value"], found["unit"]

    assert added("1 year", "two (2) years", "about 3 years") == (6, "years")
    assert added("EUR 1,000", "€20 a month") == (1020, "EUR")
    assert added("5", "7 pumps") == (12, None)
    with pytest.raises(InvalidRequest, match="months, years"):
        added("18 months", "2 years")


def test_the_least_of_dates_is_a_date_and_they_do_not_add_up() -> None:
    result = {
        "dates": ["2024-03-01", "18 May 1999", "soon", "1999-05-18"],
        "mixed": ["2024-03-01", 7],
    }

    def of(op: Operation, at: str) -> tuple[Any, int]:
        found = aggregate(result, Aggregation(op=op, of=at))
        return found["value"], found["unreadable"]

    assert of(Operation.MIN, "/dates/*") == ("1999-05-18", 1)
    assert of(Operation.MAX, "/dates/*") == ("2024-03-01", 1)
    assert of(Operation.SUM, "/dates/*") == (0, 4)
    assert of(Operation.MAX, "/mixed/*") == (7, 1)
    assert len(aggregate(result, Aggregation(op=Operation.MIN, of="/dates/*"))["entries"]) == 2


def test_documents_side_by_side() -> None:
    def row(name: str, **value: Any) -> dict[str, Any]:
        return {"document_id": name, "document_title": name, "document_name": name, "value": value}

    result = {
        "documents": [
            row("a", law="New York", parties=["Acme Ltd", "Borealis"], term="2 years"),
            row("b", law="new york", parties=["Borealis", "Acme Limited"], term=None),
            row("c", law="New York", parties=["Acme Ltd", "Corvus"], term="2 years"),
        ]
    }
    fields = {one["field"]: one for one in compare(result)["fields"]}
    assert fields["law"]["same"]
    assert (fields["parties"]["same"], fields["parties"]["different_values"]) == (False, 2)
    assert (fields["term"]["same"], fields["term"]["not_mentioned"]) == (False, 1)
    with pytest.raises(InvalidRequest, match="each"):
        compare({"law": "New York"})
    with pytest.raises(InvalidRequest, match="no JSON pointer"):
        aggregate(result, Aggregation(op=Operation.COUNT, of="law"))


def test_amounts_in_several_currencies_are_kept_apart() -> None:
    def row(name: str, **value: Any) -> dict[str, Any]:
        return {"document_id": name, "document_title": name, "document_name": name, "value": value}

    rows = [
        row("a", price="$100", rate="1.5%", fee="-$5"),
        row("b", price="€100", rate="15%", fee="$20"),
        row("c", price="EUR 100.00", rate="1.50 percent", fee=3),
    ]
    result = {"documents": rows}
    fields = {one["field"]: one["different_values"] for one in compare(result)["fields"]}
    assert fields == {"price": 2, "rate": 2, "fee": 3}
    groups = aggregate(result, Aggregation(op=Operation.GROUP, of="/price"))["groups"]
    assert [(one["value"], one["count"]) for one in groups] == [("€100", 2), ("$100", 1)]
    assert aggregate(result, Aggregation(op=Operation.SUM, of="/fee"))["value"] == 18
    for op in (Operation.SUM, Operation.MIN, Operation.MAX):
        with pytest.raises(InvalidRequest, match="EUR, USD"):
            aggregate(result, Aggregation(op=op, of="/price"))


def test_lists_and_contradictions_keep_different_amounts() -> None:
    def found(value: str, start: int) -> dict[str, Any]:
        at = [["doc", start, start + 5, "exact", None]]
        return {"is": "leaf", "of": [{"v": value, "also": [], "at": at, "c": 0.9, "n": 1}]}

    def said(rate: str, price: str, start: int) -> tree.Tree:
        rates = {"is": "list", "of": [found(rate, start)]}
        return {"is": "object", "of": {"rates": rates, "price": found(price, start + 50)}}

    both = tree.merged(said("1.5%", "$1.5 million", 0), said("15%", "$15 million", 900))
    assert both is not None
    assert tree.value_of(both)["rates"] == ["1.5%", "15%"]
    assert len(both["of"]["price"]["of"]) == 2
    again = tree.merged(both, said("1.50 percent", "$1,500,000", 2000))
    assert again is not None
    assert (len(again["of"]["rates"]["of"]), len(again["of"]["price"]["of"])) == (2, 2)
