"""What the benchmark of hostile files takes for a failure."""

from __future__ import annotations

from typing import Any

import pytest

from tests.benchmarks.hostile import Report, faults, judge

GOOD: dict[str, Any] = {"protection": "ok", "small_ready_s": 1.0, "p95_ratio": 2.0}
READY = {"status": "ready", "chunk_count": 1, "warnings": [], "error": None}
FAILED = {"status": "failed", "chunk_count": 0, "warnings": []}


@pytest.mark.parametrize(
    "bad",
    [
        {"exits": 1},
        {"unanswered": 1},
        {"unmapped_5xx": 1},
        {"silent": 1},
        {"beside_home": 1},
        {"children_unfiltered": 1},
        {"sockets_of_children": 1},
        {"sockets_of_children": 0, "written_outside": 1},
        {"child_peak_bytes": (1 << 30) + 1},
        {"protection": "not shut off from files"},
        {"small_ready_s": None},
        {"p95_ratio": 2.1},
    ],
    ids=str,
)
def test_each_fault_fails_the_run(bad: dict[str, Any]) -> None:
    assert faults(Report(**GOOD)) == []
    assert len(faults(Report(**{**GOOD, **bad}))) == 1


def test_times_of_a_traced_run_are_not_judged() -> None:
    assert faults(Report(**{**GOOD, "p95_ratio": 9.0, "sockets_of_children": 0})) == []


@pytest.mark.parametrize(
    ("document", "silent"),
    [
        (READY, 0),
        ({**FAILED, "error": {"code": "corrupt_document", "message": "It is damaged."}}, 0),
        ({**READY, "chunk_count": 0}, 1),
        ({**READY, "status": "processing"}, 1),
        ({**FAILED, "error": None}, 1),
        ({**FAILED, "error": {"code": "corrupt_document", "message": ""}}, 1),
    ],
)
def test_files_inside_others_must_end_in_text_or_a_reason_too(
    document: dict[str, Any], silent: int
) -> None:
    report = Report(outcomes=[{"file": "a.zip", "end": "accepted", "id": "doc_a"}])
    judge(report, {"doc_a": READY, "doc_inside": document})
    assert (report.files_inside, report.silent) == (1, silent)
    report = Report(outcomes=[{"file": "a.zip", "end": "accepted", "id": "doc_a"}])
    judge(report, {"doc_a": document})
    assert (report.files_inside, report.silent) == (0, silent)
