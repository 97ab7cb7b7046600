"""What is kept of filters is what SQL would say now."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rag.catalog.matching as matching
from rag.catalog import Catalog
from rag.types import Collection
from tests.unit.test_catalog import TENANT, add, make_collection, make_visible

FILTERS: list[dict[str, Any]] = [
    {"n": 1},
    {"n": {"$ne": 1}},
    {"n": {"$exists": False}},
    {"n": True},
    {"name": "0.txt"},
]
CHANGE = st.one_of(
    st.tuples(st.just("add"), st.sampled_from([0, 1, True, 1.5])),
    st.tuples(st.just("describe"), st.sampled_from([0, 1, True, 1.5, None])),
    st.tuples(st.just("rename"), st.just(None)),
    st.tuples(st.just("delete"), st.just(None)),
    st.tuples(st.just("ask"), st.sampled_from(range(len(FILTERS)))),
)


def change(catalog: Catalog, collection: Collection, there: list[str], op: str, value: Any) -> None:
    if op == "add":
        number = f"{collection.name}{catalog.collections.seq(collection.id)}"
        document = add(catalog, collection, number, n=value)
        there.append(make_visible(catalog, document, "x" * (500 + 700 * len(there))).id)
    elif there and op == "describe":
        metadata = {} if value is None else {"n": value}
        catalog.documents.update(TENANT, there[0], metadata=metadata)
        there.append(there.pop(0))
    elif there and op == "rename":
        catalog.documents.update(TENANT, there[-1], name=f"{len(there) % 2}.txt")
    elif there and op == "delete":
        catalog.versions.delete(TENANT, there.pop(len(there) // 2))


def told(catalog: Catalog, kept: matching.Matching, id: str, filter: dict[str, Any]) -> list[int]:
    ids = kept.chunks(catalog.collections.get(TENANT, id), filter)
    assert ids is not None
    return [int(one) for one in ids]


@pytest.mark.parametrize("most_changes", [1, 1_000])
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(changes=st.lists(CHANGE, min_size=4, max_size=14))
def test_what_is_kept_follows_every_change(
    catalog: Catalog, most_changes: int, changes: list[tuple[str, Any]]
) -> None:
    collection = make_collection(catalog, f"c{len(catalog.collections.all(TENANT))}")
    there: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matching, "_MOST_CHANGES", most_changes)
        kept = matching.Matching(catalog._database)
        for op, value in [("add", 1), ("ask", 0), *changes, *(("ask", n) for n in range(5))]:
            change(catalog, collection, there, op, value)
            if op == "ask":
                fresh = matching.Matching(catalog._database)
                now = told(catalog, fresh, collection.id, FILTERS[value])
                assert told(catalog, kept, collection.id, FILTERS[value]) == now == sorted(now)


def test_sql_is_asked_once_and_room_is_bounded(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection = make_collection(catalog)
    make_visible(catalog, add(catalog, collection, "a", n=1), "text")
    monkeypatch.setattr(matching, "_MOST_KEPT", 3 * matching._EACH)
    asked: list[Any] = []
    look_up = matching._matching
    monkeypatch.setattr(matching, "_matching", lambda *args: asked.append(args) or look_up(*args))
    for _ in range(2):
        assert told(catalog, catalog.matching, collection.id, {"n": 1}) == [1]
    assert len(asked) == 1
    for number in range(2, 5):
        assert not told(catalog, catalog.matching, collection.id, {"n": number})
    assert len(asked) == 4
    told(catalog, catalog.matching, collection.id, {"n": 1})  # it had to make room
    assert len(asked) == 5


def test_a_filter_that_allows_nearly_all_pushes_out_no_others(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection = make_collection(catalog)
    for number in range(6):
        make_visible(catalog, add(catalog, collection, f"d{number}", n=number), "text")
    monkeypatch.setattr(matching, "_EACH", 1)
    monkeypatch.setattr(matching, "_MOST_KEPT", 10)
    asked: list[Any] = []
    look_up = matching._matching
    monkeypatch.setattr(matching, "_matching", lambda *args: asked.append(args) or look_up(*args))
    few = [{"n": number} for number in range(3)]
    for filter in (*few, {"n": {"$gte": 0}}, *few):
        assert told(catalog, catalog.matching, collection.id, filter)
    assert len(asked) == 4
