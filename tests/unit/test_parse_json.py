from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from ingest.parse import parse
from rag.errors import EmptyDocument
from rag.types import ParsedDocument
from tests.realdata import REAL_DATA, needs_real_data


def read(tmp_path: Path, data: bytes) -> ParsedDocument:
    path = tmp_path / "a.json"
    path.write_bytes(data)
    return parse(path, "application/json")


@pytest.mark.parametrize(
    "source",
    [
        '{"b": 1.50, "a": ["\\u00e9", null],\r\n "a": -0}',
        f'[{"9" * 50_000}, 1e999999, "\\ud800"]',
        '{"id": 1}\n\n{"id": 2}\r\n["three"]\n',
    ],
    ids=["duplicates", "huge numbers", "lines"],
)
def test_valid_json_is_stored_unchanged(tmp_path: Path, source: str) -> None:
    document = read(tmp_path, source.encode())
    assert (document.text, document.warnings) == (source, ())


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("[1, NaN]", "NaN"),
        ('{"a": }', "line 1, column 7"),
        ("[" * 200_000, "nested too deeply"),
        ('{"id": 1}\n{bad\n{"id": 2}\noops', r"line 2: .* \(and 1 more lines\)"),
        ("no JSON at all", "not valid JSON"),
    ],
)
def test_what_is_no_json_is_read_as_text_and_said(tmp_path: Path, source: str, says: str) -> None:
    document = read(tmp_path, source.encode())
    assert document.text == source
    with pytest.raises(AssertionError, match=says):
        raise AssertionError(*document.warnings)


@needs_real_data
@pytest.mark.realdata
def test_odd_json_is_told_from_valid_json(tmp_path: Path) -> None:
    assert REAL_DATA is not None
    with (REAL_DATA / "security" / "odd_json.jsonl").open("rb") as lines:
        cases = [case for case in map(json.loads, lines) if case.get("body_b64")]
    verdicts = {"accept": 0, "reject": 0}
    for case in cases:
        try:
            document = read(tmp_path, base64.b64decode(case["body_b64"]))
        except EmptyDocument:
            continue
        if (verdict := case.get("rfc8259")) in verdicts:
            assert bool(document.warnings) == (verdict == "reject"), case["id"]
            verdicts[verdict] += 1
    assert min(verdicts.values()) > 90
