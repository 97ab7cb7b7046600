"""The harness itself, on sets small enough to know the answer."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rag.evaluate import Place
from rag.types import FloatMatrix, FloatVector, Ids
from tests.benchmarks import chunking
from tests.benchmarks.cached import CachedEmbedder
from tests.benchmarks.evaluate import main
from tests.benchmarks.retrieval import RANKINGS, REFERENCE, gate, run_retrieval_eval


class WordEmbedder:
    """Counts of hashed words: enough to find a text by its own words. Counts what it embeds."""

    id = "words"
    dimension = 64
    window = 1_000

    def __init__(self) -> None:
        self.embedded = 0

    def token_offsets(self, text: str) -> Ids:
        spans = [match.span() for match in re.finditer(r"\w+", text)]
        return np.array(spans, np.int64).reshape(-1, 2)

    def embed_passages(self, texts: Sequence[str]) -> FloatMatrix:
        return np.stack([self.embed_query(text) for text in texts])

    def embed_query(self, text: str) -> FloatVector:
        self.embedded += 1
        vector = np.full(self.dimension, 1e-3, np.float32)
        for word in text.lower().split():
            vector[zlib.crc32(word.encode()) % self.dimension] += 1
        vector /= np.linalg.norm(vector)
        return vector


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as lines:
        lines.writelines(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data" / "retrieval" / "cranfield"
    texts = ["wing slipstream", "boundary layer", "heat conduction"]
    write_rows(
        folder / "corpus.jsonl.gz",
        [{"_id": str(n), "title": f"title{n}", "text": text} for n, text in enumerate(texts)],
    )
    write_rows(
        folder / "queries.jsonl.gz",
        [{"_id": f"q{n}", "text": text} for n, text in enumerate([*texts, "nothing relevant"])],
    )
    judged = "query-id\tcorpus-id\tscore\nq0\t0\t1\nq1\t1\t1\nq2\t2\t1\nq3\t0\t0\n"
    (folder / "qrels.tsv").write_text(judged, encoding="utf-8")
    folder = folder.with_name("cuad-spans")
    text = " ".join(f"Clause {n} binds party{n}." for n in range(500))
    start = text.index("Clause 77 ")
    write_rows(folder / "corpus.jsonl.gz", [{"_id": "c", "title": "c", "text": text}])
    write_rows(folder / "queries.jsonl.gz", [{"_id": "q", "text": "Who is bound, party77?"}])
    spans = [[start, start + 26]]
    write_rows(folder / "qrels_spans.jsonl.gz", [{"query_id": "q", "doc_id": "c", "spans": spans}])
    return tmp_path / "data"


def test_every_set_is_scored_and_reported(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = run_retrieval_eval(data, WordEmbedder())
    cranfield = report["passages"]["cranfield"]
    assert (cranfield["passages"], cranfield["questions"]) == (3, 3)
    for ranking in RANKINGS:
        assert cranfield["metrics"][ranking]["ndcg@10"]["mean"] == 1
        assert cranfield["metrics"][ranking]["map"]["mean"] == 1
    assert cranfield["default_against_best_other"]["mean"] == 0
    spans = report["spans"]["cuad-spans"]
    assert spans["metrics"]["bm25"]["character_recall"]["mean"] == 1
    assert json.loads(json.dumps(report)) == report
    printed = capsys.readouterr().out
    assert "cranfield (3 questions)" in printed
    assert "0.437" in printed


def test_the_gate_wants_a_mean_gain_and_no_set_that_is_worse() -> None:
    def report(gains: Sequence[float], high: float) -> dict[str, Any]:
        against = [{"mean": gain, "high": gain + 0.01} for gain in gains]
        sets = [{"default_against_best_other": one} for one in against]
        spans = {"contracts": {"default_against_best_other": {"mean": -0.1, "high": high}}}
        return {"passages": dict(zip(REFERENCE, sets, strict=True)), "spans": spans}

    assert gate(report([0.04, 0.02, 0.0], 0.1))["passed"]
    assert not gate(report([0.02, 0.01, 0.0], 0.1))["passed"]
    assert gate(report([0.04, 0.02, 0.0], -0.01))["worse"] == ["contracts"]
    assert gate(report([0.08, 0.02, -0.02], 0.1))["worse"] == [list(REFERENCE)[2]]


def test_no_text_is_embedded_twice(tmp_path: Path) -> None:
    embedder = WordEmbedder()
    cached = CachedEmbedder(embedder, tmp_path / "vectors.sqlite")
    first = cached.embed_passages(["one text", "another", "one text"])
    assert embedder.embedded == 2
    query = cached.embed_query("one text")
    assert embedder.embedded == 3  # a query may have another prefix than a passage
    cached.close()
    again = CachedEmbedder(embedder, tmp_path / "vectors.sqlite")
    np.testing.assert_array_equal(again.embed_passages(["another", "one text"]), first[1::-1])
    np.testing.assert_array_equal(again.embed_query("one text"), query)
    again.close()
    assert embedder.embedded == 3


def test_without_public_sets_the_command_says_what_it_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.json"
    parts = ["filings", "passages", "spans"]
    assert main([*parts, "--data", str(tmp_path / "none"), "--out", str(report)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "qa/sec-10-q" in said
    assert "retrieval sets" in said
    assert json.loads(report.read_text("utf-8")) == {}


def test_ways_to_chunk_are_compared(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = data / "retrieval" / "chroma-chunking"
    text = "# Clauses\n\n" + " ".join(f"Clause {n} binds party{n}." for n in range(300))
    start = text.index("Clause 77 ")
    asked = [
        {"text": f"Who is bound, party{n}?", "references": [{"start_index": at, "end_index": end}]}
        for n, at, end in ((77, start, start + 26), (0, 11, 35))
    ]
    write_rows(folder / "law.questions.jsonl.gz", asked)
    with gzip.open(folder / "law.md.gz", "wt", encoding="utf-8") as file:
        file.write(text)
    monkeypatch.setattr(chunking, "open_embedder", lambda *_, **__: WordEmbedder())
    out = tmp_path / "figures.json"
    arguments = ["--data", str(data), "--cache", str(tmp_path), "--json", str(out)]
    assert chunking.main([*arguments, "--only", "sentence 100", "semantic 254"]) == 0
    report = json.loads(out.read_text("utf-8"))
    assert [len(one) for one in report.values()] == [4, 4]
    for variants in report.values():
        assert variants["recursive 200/32"]["metrics"]["recall 5k"]["difference"]["mean"] == 0
        for variant in variants.values():
            assert variant["tokens"] <= 254
            metrics = variant["metrics"]
            assert metrics["recall 5k"]["mean"] == 1
            assert 0 < metrics["iou"]["mean"] <= metrics["precision"]["mean"] < 0.2
    assert "general texts (2 questions)" in capsys.readouterr().out


def test_what_overlaps_is_read_once_within_a_budget_and_twice_in_a_precision() -> None:
    ranked = [Place("a", 0, 100), Place("a", 50, 150), Place("b", 0, 50)]
    scores = chunking.scores(ranked, [Place("a", 100, 150), Place("b", 0, 50)])
    assert scores["recall"] == scores["recall 2k"] == 1
    assert scores["precision"] == scores["iou"] == 100 / 250
    half = chunking.scores(ranked, [Place("a", 140, 160)])
    assert (half["recall"], half["precision"], half["iou"]) == (0.5, 10 / 250, 10 / 260)
    long = [Place("a", 0, 1500), Place("a", 1000, 2500), Place("b", 0, 10)]
    assert chunking.scores(long, [Place("a", 1500, 2500)])["recall 2k"] == 0.5
