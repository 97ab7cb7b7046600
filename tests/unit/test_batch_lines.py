"""Lines of a batch: whatever they hold, each comes to its item, and the sound ones are sound."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.batches import lines
from api.batches.lines import read_items
from rag.errors import PayloadTooLarge


def read(path: Path, content: bytes, **defaults: Any) -> list[dict[str, Any]]:
    file = path / "batch.jsonl"
    file.write_bytes(content)
    items = list(read_items(file, defaults))
    assert [item.position for item in items] == list(range(len(items)))
    return [dict(item.payload) for item in items]


def test_a_broken_line_4711_is_reported_and_all_others_are_read(tmp_path: Path) -> None:
    sound = [json.dumps({"custom_id": f"q{n}", "question": "Who?"}) for n in range(1, 5001)]
    sound[4710] = sound[4710][:-5]
    payloads = read(tmp_path, "\n".join(sound).encode())
    broken = [one for one in payloads if "error" in one]
    assert [one["line"] for one in broken] == [4711]
    assert broken[0]["error"].startswith("Line 4711: it is not JSON: ")
    assert sum("ask" in one for one in payloads) == 4999


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parts=st.lists(st.one_of(st.binary(max_size=60), st.just(b'{"custom_id":"a","question":"?"}')))
)
def test_any_bytes_are_read_line_by_line(tmp_path: Path, parts: list[bytes]) -> None:
    parts = [part.replace(b"\n", b" ") for part in parts]
    content = b"\n".join([*parts, b'{"custom_id": "last", "question": "Who?"}'])
    payloads = read(tmp_path, content)
    stripped = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    assert [one["line"] for one in payloads] == [
        number for number, one in enumerate(stripped, start=1) if one.strip()
    ]
    for one in payloads:
        assert ("error" in one) != ("ask" in one)
        json.dumps(one).encode()  # it can be stored
    assert payloads[-1]["custom_id"] == "last"


def test_defaults_are_for_lines_that_do_not_say(tmp_path: Path) -> None:
    asked = [
        {"custom_id": "a", "question": "Who?"},
        {"custom_id": "b", "question": "Who?", "collections": ["x", "y"]},
        {"custom_id": "c", "question": "Who?", "engine": "offline"},
        {"custom_id": "d", "kind": "summary", "documents": ["doc_1"]},
        {"custom_id": "e", "kind": "summary"},
    ]
    content = "\n".join(map(json.dumps, asked)).encode()
    a, b, c, d, e = read(tmp_path, content, collection="k", engine="openai:m")
    assert (a["ask"]["collection"], a["ask"]["engine"]) == ("k", "openai:m")
    assert (b["ask"]["collections"], b["ask"].get("collection")) == (["x", "y"], None)
    assert c["ask"]["engine"] == "offline"
    assert d["analysis"]["scope"]["documents"] == ("doc_1",)
    assert d["analysis"]["scope"]["collection"] is None
    assert e["analysis"]["scope"]["collection"] == "k"


def test_what_no_database_stores_is_a_broken_line(tmp_path: Path) -> None:
    content = rb"""{"custom_id": "\ud800", "question": "Who?"}
{"custom_id": "b", "question": "Who?", "filter": {"a": "\udfff"}}
{"custom_id": "c", "question": "Who\u0000?"}
{"custom_id": "d", "question": "Who?", "filter": {"a": {"$gt": NaN}}}
{"custom_id": "e", "question": "Who?", "filter": {"a": {"$gt": -1e400}}}
{"custom_id": "f", "kind": "extraction", "text": "t", "schema": {"minimum": Infinity}}"""
    found = read(tmp_path, content)
    assert all("error" in one for one in found)
    assert "no Unicode text" in found[1]["error"]
    assert all("not finite" in one["error"] for one in found[3:])
    json.dumps(found, ensure_ascii=False, allow_nan=False).encode()


def test_what_is_too_long_or_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "_LONGEST_LINE", 100)
    long = json.dumps({"custom_id": "a", "question": "x" * 300}).encode()
    found = read(tmp_path, long + b"\n" + b'{"custom_id": "b", "question": "Who?"}')
    assert "more than 100 bytes" in found[0]["error"]
    assert (found[1]["line"], found[1]["custom_id"]) == (2, "b")
    monkeypatch.setattr(lines, "MOST_LINES", 1)
    with pytest.raises(PayloadTooLarge):
        read(tmp_path, b"{}\n{}\n")
