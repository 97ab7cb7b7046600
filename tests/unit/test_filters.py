"""Metadata filters in SQL against the same filters in plain Python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rag.catalog import Catalog
from rag.errors import InvalidFilter
from tests.unit.test_catalog import TENANT, add, make_collection

FIELDS = ("year", "party", "signed", "näme.with dots")
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([2**53, 2**53 + 1, -(2**63), 2**63 - 1]),
    st.sampled_from([0.5, -1.0, 2.0, 0.1, 1e300]),
    st.sampled_from(["", "a", "b", "B", "é", "\U0001f600", "\uffee", "1", "true"]),
)
METADATA = st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=4)
ORDERED = VALUES.filter(lambda v: v is not None and not isinstance(v, bool))
CONDITION = st.one_of(
    st.builds(lambda v: {"$eq": v}, VALUES),
    st.builds(lambda v: {"$ne": v}, VALUES),
    st.builds(lambda op, v: {op: v}, st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), ORDERED),
    st.builds(lambda op, v: {op: v}, st.sampled_from(["$in", "$nin"]), st.lists(VALUES)),
    st.builds(lambda v: {"$exists": v}, st.booleans()),
)
FILTER = st.recursive(
    st.dictionaries(st.sampled_from(FIELDS), CONDITION, min_size=1, max_size=2),
    lambda inner: st.one_of(
        st.builds(lambda x: {"$and": x}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda x: {"$or": x}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda x: {"$not": x}, inner),
    ),
    max_leaves=4,
)


def kind(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return type(value).__name__
    return "string" if isinstance(value, str) else "number"


def compare(op: str, value: Any, operand: Any) -> bool:
    if kind(value) != kind(operand):
        return False
    if op == "$eq":
        return bool(value == operand)
    ordered = {"$gt": value > operand, "$gte": value >= operand, "$lt": value < operand}
    return bool(ordered.get(op, value <= operand))


def holds(op: str, operand: Any, present: bool, value: Any) -> bool:
    if op == "$exists":
        return present is operand
    if op in ("$in", "$nin"):
        found = present and any(compare("$eq", value, item) for item in operand)
        return found if op == "$in" else not found
    if op == "$ne":
        return not (present and compare("$eq", value, operand))
    return present and compare(op, value, operand)


def matches(filter: Mapping[str, Any], metadata: Mapping[str, Any]) -> bool:
    results = []
    for key, value in filter.items():
        if key == "$and":
            results.append(all(matches(item, metadata) for item in value))
        elif key == "$or":
            results.append(any(matches(item, metadata) for item in value))
        elif key == "$not":
            results.append(not matches(value, metadata))
        else:
            results += [
                holds(op, operand, key in metadata, metadata.get(key))
                for op, operand in value.items()
            ]
    return all(results)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@example(metadata=[{"party": 2**53}], filter={"party": {"$eq": 2**53 + 1}})
@example(metadata=[{"party": 2**53 + 1}], filter={"party": {"$in": [2**53]}})
@example(metadata=[{"party": 2**53}], filter={"party": {"$gte": 2**53 + 1}})
@given(metadata=st.lists(METADATA, min_size=1, max_size=8), filter=FILTER)
def test_sql_and_python_agree(catalog: Catalog, metadata: list[Any], filter: Any) -> None:
    collection = make_collection(catalog, f"c{len(catalog.collections.all(TENANT))}")
    for index, one in enumerate(metadata):
        add(catalog, collection, f"{index}", **one)
    found = catalog.documents.page(TENANT, collection, filter=filter, limit=100)
    expected = {f"{i}.txt" for i, one in enumerate(metadata) if matches(filter, one)}
    assert {document.name for document in found} == expected


@pytest.mark.parametrize(
    ("filter", "place"),
    [
        ({"a": {"$regex": "x"}}, "filter.a.$regex: unknown operator"),
        ({"$where": "1=1"}, "filter.$where: unknown operator"),
        ({"a": {"$in": "x"}}, "filter.a.$in: expected a list"),
        ({"a": {"$gt": None}}, "filter.a.$gt: null has no order"),
        ({"a": {"$exists": 1}}, "filter.a.$exists: expected true or false"),
        ({"a": {}}, "filter.a: no operator"),
        ({"a": {"$eq": [1]}}, "filter.a.$eq: expected a string, number, boolean or null"),
        ({"a": {"$eq": 2**70}}, "does not fit"),
        ({"a": {"$eq": "x\0"}}, "NUL"),
        ({'a"b': 1}, "not a name"),
        ({"a": {"$lt": float("nan")}}, "filter.a.$lt: not a finite number"),
        ({"$or": [{"a": 1}] * 201}, "filter: more than 200 conditions"),
        ({"a": {"$in": [0] * 1001}}, "filter: more than 200 conditions or 1,000 listed values"),
        ({"$and": []}, "filter.$and: expected a non-empty list"),
        ({"$and": [{"a": 1}, 5]}, r"filter.$and[1]: expected an object, got number"),
        ({"year": {"$gt": "x"}}, "filter.year.$gt: the field is a integer, the value a string"),
        ({"year": True}, "filter.year.$eq: the field is a integer, the value a boolean"),
    ],
)
def test_a_malformed_filter_names_the_place(
    catalog: Catalog, filter: dict[str, Any], place: str
) -> None:
    collection = catalog.collections.create(
        TENANT, "c", embedder="e", chunking={}, metadata_schema={"year": "integer"}
    )
    with pytest.raises(InvalidFilter) as caught:
        catalog.matching.chunks(collection, filter)
    assert place in caught.value.message


def test_too_deep_a_filter_is_refused(catalog: Catalog) -> None:
    filter: dict[str, Any] = {"a": 1}
    for _ in range(8):
        filter = {"$not": filter}
    with pytest.raises(InvalidFilter, match="deeper than 8"):
        catalog.matching.chunks(make_collection(catalog), filter)


def test_the_largest_filters_are_compiled(catalog: Catalog) -> None:
    collection = make_collection(catalog)
    add(catalog, collection, "1", n=999, s="999")
    for filter in (
        {"n": {"$in": list(range(1000))}},
        {"s": {"$in": [str(n) for n in range(1000)]}},
        {"$or": [{"n": n} for n in range(900, 999)] + [{"n": 999}]},
        {"$not": {"$or": [{"n": n} for n in range(99)]}},
    ):
        ids = catalog.documents.page(TENANT, collection, filter=filter)
        assert [document.name for document in ids] == ["1.txt"]
