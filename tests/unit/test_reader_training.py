"""The reader's training: what it learns from, that it learns, stops and goes on, and its graph."""

from __future__ import annotations

import json
import lzma
import random
from pathlib import Path

import numpy as np
import pytest

from tests.bert import make_bert

torch = pytest.importorskip("torch", reason="torch is not installed (pip install 'ibidem[train]')")
pytest.importorskip("transformers")

from rag.models.offline.training import claims, examples, negatives, questions  # noqa: E402
from rag.models.offline.training.astray import astray  # noqa: E402
from rag.models.offline.training.export import graph  # noqa: E402
from rag.models.offline.training.fit import Plan, fit, rate  # noqa: E402
from rag.models.offline.training.network import Reader, from_folder, loss, scores  # noqa: E402
from rag.models.offline.training.windows import Windows, batches, padded  # noqa: E402
from tests.fakes import HashingEmbedder  # noqa: E402

_ANIMALS = ("cat", "dog", "bird")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bert(tmp_path_factory.mktemp("bert") / "model")


@pytest.fixture
def corpus(tmp_path: Path) -> questions.Corpus:
    """Which animal sat on the mat of a letter; one question that nothing answers."""
    rows = []
    for number, letter in enumerate("abcdefghij"):
        animal = _ANIMALS[number % 3]
        asked = {"question": f"query {letter}", "answers": [animal], "answerable": True}
        context = f"the {animal} sat on mat {letter}. The tax of {letter} is {number}2."
        rows.append({"title": "mats", "context": context, "questions": [asked]})
    rows[0]["questions"].append({"question": "query tax é", "answers": [], "answerable": False})
    for name in ("squad11-train.jsonl.xz", "squad20-extra.jsonl.xz"):
        with lzma.open(tmp_path / name, "wt", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
            rows = []
    return questions.read(tmp_path)


def _windows(folder: Path, length: int = 40) -> Windows:
    return Windows((folder / "tokenizer.json").read_text(), length=length, stride=4)


def test_every_marked_span_is_an_occurrence_of_an_answer(folder: Path) -> None:
    windows = _windows(folder, length=14)
    passage = "the cat sat. a dog sat on mat, the cat sat on the mat. tax revenue"
    example = examples.Example(text="query", passage=passage, answers=("cat", "the mat"))
    for seed in range(20):
        window = windows.one(example, random.Random(seed))
        assert window.spans
        found = [
            next(one for one in windows.all("query", passage) if one.ids == window.ids).tokens[
                a : b + 1
            ]
            for a, b in window.spans
        ]
        assert all(one in (["cat"], ["the", "mat"]) for one in found)


def test_negatives_come_from_the_article_and_lack_the_answers(
    corpus: questions.Corpus, tmp_path: Path
) -> None:
    found = negatives.mine(corpus, HashingEmbedder(), tmp_path / "negatives.json")
    assert len(found) == len(corpus.questions)
    for question, near in zip(corpus.questions, found, strict=True):
        assert bool(near) == bool(question.answers)
        for place in near:
            assert not any(one in corpus.paragraphs[place] for one in question.answers)
    assert negatives.mine(corpus, None, tmp_path / "negatives.json") == found  # type: ignore[arg-type]


def test_an_epoch_is_the_same_for_a_seed_and_its_statements_are_true_or_changed(
    corpus: questions.Corpus, tmp_path: Path
) -> None:
    near = negatives.mine(corpus, HashingEmbedder(), tmp_path / "negatives.json")
    assert examples.epoch(corpus, near, 3) == examples.epoch(corpus, near, 3)
    some = [one for seed in range(30) for one in examples.epoch(corpus, near, seed)]
    assert {one.supported for one in some} == {None, True, False}
    for one in some:
        assert all(answer in one.passage for answer in one.answers)
        if one.supported is False:
            assert one.text not in one.passage
    told = [one.supported for one in some if one.supported is not None]
    assert 0.4 < sum(told) / len(told) < 0.65


def test_what_stands_before_a_comma_is_stated_too() -> None:
    stated = "The fee was paid every month in Rome, without delay, by Ada."
    shorter = {claims.shortened(stated, random.Random(seed)) for seed in range(30)}
    assert shorter == {
        stated,
        "The fee was paid every month in Rome.",
        "The fee was paid every month in Rome, without delay.",
    }


@pytest.mark.parametrize(
    "stated", ["In 1998 the fee was 40 euros.", "The contract is void.", "He met Anna in Paris."]
)
def test_a_falsified_statement_is_another_one(stated: str) -> None:
    passage = f"Before. {stated} Bert and Carla paid 1,250 in Rome."
    changed = {claims.falsified(stated, passage, random.Random(seed)) for seed in range(20)}
    assert None not in changed
    assert stated not in changed


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("Which bridge did Ana Rell build first?", {"Which bridge did Ana Rell build last?"}),
        ("What was built in 1931?", {"What was not built in 1931?", "What was built in 1988?"}),
        ("When did Ana Rell retire?", {"When did Tom Vance retire?"}),
        ("Why?", {None}),
    ],
)
def test_a_question_led_astray_asks_for_something_else(text: str, changed: set[str | None]) -> None:
    passage = "Engineer Ana Rell built the bridge in 1931. Her pupil Tom Vance closed it in 1988."
    found = {astray(text, passage, (), random.Random(seed)) for seed in range(50)}
    assert text not in found
    assert changed <= found


def test_training_learns_and_goes_on_after_a_stop_as_if_there_had_been_none(
    corpus: questions.Corpus, folder: Path, tmp_path: Path
) -> None:
    near = negatives.mine(corpus, HashingEmbedder(), tmp_path / "negatives.json")
    windows = _windows(folder)

    def trained(steps: tuple[int, ...], name: str) -> tuple[Reader, list[str]]:
        torch.manual_seed(0)
        reader, said = from_folder(folder), []
        for most in steps:
            torch.manual_seed(0)
            reader = from_folder(folder)
            plan = Plan(steps=120, size=8, rate=3e-3, stop=most)
            fit(reader, corpus, near, windows, plan, checkpoint=tmp_path / name, say=said.append)
        return reader, said

    whole, _ = trained((120,), "whole.pt")
    parts, _ = trained((50, 120), "parts.pt")
    for one, two in zip(whole.parameters(), parts.parameters(), strict=True):
        assert torch.equal(one, two)
    whole.eval()
    batch = next(batches(examples.epoch(corpus, near, 0), windows, size=64, seed=0))
    torch.manual_seed(0)
    fresh = from_folder(folder).eval()
    assert loss(scores(whole, batch), batch) < 0.8 * loss(scores(fresh, batch), batch)


def test_the_rate_rises_stays_and_falls_to_zero() -> None:
    rates = [rate(step, 1000) for step in range(1000)]
    assert rates[0] < 0.02
    assert all(one == 1.0 for one in rates[60:800])
    assert rates[799:] == sorted(rates[799:], reverse=True)
    assert rates[-1] < 0.01


@pytest.mark.parametrize(("int8", "near"), [(False, 1e-4), (True, 0.3)])
def test_the_graph_says_what_the_network_says(folder: Path, int8: bool, near: float) -> None:
    import onnxruntime

    torch.manual_seed(1)
    reader = from_folder(folder).eval()
    windows = _windows(folder)
    some = [
        windows.one(examples.Example(text="query", passage=text), random.Random(0))
        for text in ("the cat sat on a mat", "tax revenue of the dog, the bird: a tax.")
    ]
    batch = padded(some)
    session = onnxruntime.InferenceSession(graph(reader, folder, int8=int8))
    inputs = {
        "ids": batch.ids.astype(np.int32),
        "mask": batch.mask.astype(np.int32),
        "types": batch.types.astype(np.int32),
    }
    spans, relevant, supported = session.run(["spans", "relevant", "supported"], inputs)
    with torch.no_grad():
        found = scores(reader, batch)
    allowed = batch.allowed & batch.mask.astype(bool)
    for place, logits in enumerate((found.starts, found.ends)):
        assert spans[..., place][allowed] == pytest.approx(logits.numpy()[allowed], abs=near)
    assert relevant[:, 0] == pytest.approx(found.relevant.numpy(), abs=near)
    assert supported[:, 0] == pytest.approx(found.supported.numpy(), abs=near)
