"""Retrieval as it ships, on real passages, must not fall behind the known figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag.embedding.registry import open_embedder
from tests.benchmarks.datasets import load_retrieval
from tests.benchmarks.retrieval import DEFAULT, GATE, RANKINGS, REFERENCE, evaluate_passages
from tests.realdata import REAL_DATA, needs_real_data

TOLERANCE = 0.005


@needs_real_data
@pytest.mark.realdata
def test_the_default_ranking_is_no_worse_than_the_best_reference(tmp_path: Path) -> None:
    assert REAL_DATA is not None
    name = "anthropic-docs"
    data = load_retrieval(REAL_DATA / "retrieval" / name, name)
    result = evaluate_passages(data, open_embedder("onnx", cache=tmp_path))
    ndcg = {ranking: result["metrics"][ranking]["ndcg@10"]["mean"] for ranking in RANKINGS}
    assert ndcg[DEFAULT] >= max(REFERENCE[name].values()) + GATE
    assert ndcg[DEFAULT] > GATE + max(ndcg[ranking] for ranking in RANKINGS if ranking != DEFAULT)
    assert ndcg["bm25"] >= REFERENCE[name]["bm25"] - TOLERANCE
    assert ndcg["dense"] >= REFERENCE[name]["dense"] - 2 * TOLERANCE  # int8
