"""Passages ordered anew by what reads them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.cross_encoder import CrossEncoderRerank
from rag.errors import ConfigurationError, MissingExtra
from rag.models.offline.reader import Reader
from rag.models.offline.reranking import RERANK_FEATURES, USE, open_reranking
from rag.rerank import reranked
from rag.types import Passage
from tests.bert import make_bert
from tests.cross_encoders import make_cross_encoder
from tests.readers import make_reader


def passages(*texts: str) -> list[Passage]:
    return [
        Passage(
            document_id=f"doc_{place}",
            document_title="",
            start=0,
            end=len(text),
            text=text,
            score=1 - place / 10,
            scores={"fused": 1 - place / 10},
        )
        for place, text in enumerate(texts)
    ]


class ByScores:
    def __init__(self, scores: Sequence[float]) -> None:
        self.given = scores

    def scores(self, query: str, passages: Sequence[Passage]) -> Sequence[float]:
        return self.given


@given(st.lists(st.sampled_from([0.1, 0.5, 0.9]), max_size=12))
def test_every_passage_stays_and_equal_ones_keep_their_order(scores: list[float]) -> None:
    given_ones = passages(*("text" for _ in scores))
    found = reranked("query", given_ones, ByScores(scores))
    expected = sorted(zip(scores, given_ones, strict=True), key=lambda pair: -pair[0])
    assert [one.document_id for one in found] == [one.document_id for _, one in expected]
    for score, one in zip(sorted(scores, reverse=True), found, strict=True):
        assert one.score == one.scores["rerank"] == score
        assert "fused" in one.scores


def test_a_reader_ranks_by_its_weights(tmp_path: Path) -> None:
    texts = ["the cat sat on the mat", "a dog", "tax revenue of the bird"]
    by_rank = dict.fromkeys(RERANK_FEATURES, 0.0) | {"rank": 1.0, "constant": 0.0}
    folder = make_reader(tmp_path / "rank", {USE: by_rank})
    kept = open_reranking(Reader(folder))
    assert kept is not None
    assert [one.text for one in reranked("cat", passages(*texts), kept)] == texts

    by_reading = by_rank | {"rank": 0.0, "relevant": 1.0}
    reader = Reader(make_reader(tmp_path / "read", {USE: by_reading}))
    moved = open_reranking(reader)
    assert moved is not None
    relevant = [one.relevant for one in reader.read("cat", texts)]
    expected = [text for _, text in sorted(zip(relevant, texts, strict=True), reverse=True)]
    assert [one.text for one in reranked("cat", passages(*texts), moved)] == expected
    assert moved.scores("cat", []) == []


def test_a_reader_that_was_not_found_to_rank_better_does_not_rank(tmp_path: Path) -> None:
    assert open_reranking(None) is None
    assert open_reranking(Reader(make_reader(tmp_path))) is None


@pytest.fixture
def cross_encoder(tmp_path: Path) -> CrossEncoderRerank:
    pytest.importorskip("sentence_transformers")
    return CrossEncoderRerank(str(make_cross_encoder(tmp_path / "model")))


def test_a_cross_encoder_ranks_by_its_scores(
    cross_encoder: CrossEncoderRerank, tmp_path: Path
) -> None:
    from sentence_transformers import CrossEncoder

    texts = ["the cat sat on the mat", "a dog", "", "tax revenue of the bird \ud800"]
    plain = CrossEncoder(str(tmp_path / "model"))
    expected = [float(plain.predict([("cat", text.replace("\ud800", "?"))])[0]) for text in texts]
    assert cross_encoder.scores("cat", passages(*texts)) == pytest.approx(expected, abs=1e-5)
    assert len({round(score, 3) for score in expected}) == len(texts)
    order = [text for _, text in sorted(zip(expected, texts, strict=True), reverse=True)]
    assert [one.text for one in reranked("cat", passages(*texts), cross_encoder)] == order
    assert cross_encoder.scores("cat", []) == []


def test_a_cross_encoder_reads_a_passage_to_its_end(cross_encoder: CrossEncoderRerank) -> None:
    filler = "the dog sat on a mat . " * 20
    endings = ["cat", "revenue 5 2", "tax tax tax tax", "the bird , passage : x y z"]
    begun, *whole = cross_encoder.scores("cat", passages(filler, *(filler + e for e in endings)))
    assert all(score >= begun - 1e-5 for score in whole)
    assert max(whole) > begun + 1e-3
    endless = "cat " * 500
    assert len(cross_encoder.scores(endless, passages("a mat", filler))) == 2


def test_what_is_no_cross_encoder_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers")
    with pytest.raises(ConfigurationError, match="Cannot load the cross-encoder"):
        CrossEncoderRerank(str(tmp_path / "nothing"))
    for other in (make_bert(tmp_path / "bert"), make_cross_encoder(tmp_path / "nli", labels=3)):
        with pytest.raises(ConfigurationError, match="no cross-encoder"):
            CrossEncoderRerank(str(other))


def test_a_cross_encoder_needs_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingExtra, match=r"cross-encoder:x needs .*ibidem\[torch\]"):
        CrossEncoderRerank("x")
