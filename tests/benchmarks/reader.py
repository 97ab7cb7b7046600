"""``python -m tests.benchmarks.reader FOLDER...``: how well readers read, passage in hand.

The half of SQuAD 2.0's development part that is at hand, of which half of the questions have
no answer in their paragraph; XQuAD's English, and those questions of TAT-QA that a stretch of the
text around a table answers, which were kept out of all choices. The bound between an answer and
none is the best one on the first; nothing is chosen on the others. ``selection`` is the offline
engine without a reader, which says sentences. Several folders, such as int8 and fp32 of one
training, are asked the same questions; ``--most`` takes so many of each set, drawn by a fixed seed.
Speed is that of one question against ten passages of 200 tokens, by the clock and by the processor.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from tokenizers import Tokenizer

from rag.embedding import Embedder
from rag.embedding.registry import open_embedder
from rag.evaluate import Estimate, estimate, exact_match, token_f1
from rag.models.engine import Context
from rag.models.offline.engine import OfflineEngine
from rag.models.offline.folder import TOKENIZER
from rag.models.offline.reader import Reader, Reading
from rag.models.tasks import AnswerTask
from rag.types import Passage
from tests.realdata import REAL_DATA

_PASSAGES, _TOKENS, _TIMED = 10, 200, 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question about a passage, and its answers; none if the passage does not say."""

    question: str
    passage: str
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Exact match and F1 over all questions, and the share of those without answer refused."""

    exact: Estimate
    f1: Estimate
    refused: Estimate | None


def squad2(data: Path) -> list[Asked]:
    """The questions on paragraphs, half of them without answer."""
    return list(_asked(data / "qa/squad2-half-dev/squad2.json.gz"))


def xquad(data: Path) -> list[Asked]:
    """The English questions, all with an answer."""
    return list(_asked(data / "qa/xquad/xquad.en.json.gz"))


def tatqa(data: Path) -> list[Asked]:
    """Questions that a stretch of text answers, on all paragraphs around a table together."""
    with gzip.open(data / "qa/tat-qa/tatqa_dataset_dev.json.gz", "rt", encoding="utf-8") as file:
        tables = json.load(file)
    return [
        Asked(
            question=one["question"],
            passage="\n".join(part["text"] for part in table["paragraphs"]),
            answers=tuple(one["answer"]),
        )
        for table in tables
        for one in table["questions"]
        if (one["answer_type"], one["answer_from"]) == ("span", "text")
    ]


def score(readings: Sequence[Reading]) -> NDArray[np.float64]:
    """How much likelier each answer is than none."""
    return np.array([one.span + one.relevant for one in readings])


def evaluate(asked: Sequence[Asked], readings: Sequence[Reading], least: float) -> Result:
    """What readings are worth when answers below a score are taken for none."""
    said = [
        one.passage[reading.start : reading.end] if value >= least else ""
        for one, reading, value in zip(asked, readings, score(readings), strict=True)
    ]
    return worth(asked, said)


def selected(engine: OfflineEngine, asked: Sequence[Asked]) -> list[str]:
    """What an engine says to each question, of its passage alone."""
    said = []
    for one in asked:
        passage = Passage(
            document_id="d",
            document_title="",
            start=0,
            end=len(one.passage),
            text=one.passage,
            score=1.0,
        )
        task = AnswerTask(question=one.question, passages=(passage,))
        said.append(" ".join(part.text for part in engine.run(task, Context()).value))
    return said


def worth(asked: Sequence[Asked], said: Sequence[str]) -> Result:
    """What answers are worth; an empty one is none."""
    golds = [one.answers or ("",) for one in asked]
    none = [float(not text) for text, one in zip(said, asked, strict=True) if not one.answers]
    pairs = list(zip(said, golds, strict=True))
    return Result(
        exact=estimate([exact_match(text, gold) for text, gold in pairs]),
        f1=estimate([token_f1(text, gold) for text, gold in pairs]),
        refused=estimate(none) if none else None,
    )


def best_bound(asked: Sequence[Asked], readings: Sequence[Reading]) -> float:
    """The score below which to answer nothing, for the highest F1."""
    values = score(readings)
    right = np.array(
        [
            token_f1(one.passage[reading.start : reading.end], one.answers) if one.answers else 0.0
            for one, reading in zip(asked, readings, strict=True)
        ]
    )
    none = np.array([not one.answers for one in asked], dtype=float)
    order = np.argsort(-values)
    # With the first n answered, the rest refused.
    gains = np.concatenate([[0.0], np.cumsum(right[order])]) + none.sum()
    gains -= np.concatenate([[0.0], np.cumsum(none[order])])
    answered = int(gains.argmax())
    return round(float(values[order[answered - 1]]), 4) if answered else float("inf")


def read(reader: Reader, asked: Sequence[Asked]) -> list[Reading]:
    """Each passage read for its question."""
    return [reader.read(one.question, [one.passage])[0] for one in asked]


def speed(reader: Reader, folder: Path, asked: Sequence[Asked]) -> dict[str, float]:
    """Milliseconds, the median over questions, of reading ten passages of 200 tokens."""
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    whole = " ".join(dict.fromkeys(one.passage for one in asked))
    encoding = tokenizer.encode(whole, add_special_tokens=False)
    places = range(0, min(len(encoding.ids), _TOKENS * _PASSAGES + 1) - _TOKENS, _TOKENS)
    passages = [
        whole[encoding.offsets[at][0] : encoding.offsets[at + _TOKENS - 1][1]] for at in places
    ]
    clock, processor = [], []
    for one in asked[:_TIMED]:
        began, worked = time.perf_counter(), time.process_time()
        reader.read(one.question, passages)
        clock.append((time.perf_counter() - began) * 1000)
        processor.append((time.process_time() - worked) * 1000)
    return {
        "passages": len(passages),
        "clock_ms": round(statistics.median(clock), 1),
        "processor_ms": round(statistics.median(processor), 1),
    }


def without(embedder: Embedder, sets: dict[str, list[Asked]]) -> dict[str, Any]:
    """The figures of selecting sentences."""
    engine = OfflineEngine(embedder)
    of_sets = {
        name: asdict(worth(asked, selected(engine, asked))) | {"questions": len(asked)}
        for name, asked in sets.items()
    }
    return {"folder": "selection", "sets": of_sets}


def measure(folder: Path, sets: dict[str, list[Asked]]) -> dict[str, Any]:
    """All figures of a model folder."""
    reader = Reader(folder)
    report: dict[str, Any] = {"folder": folder.name, "sets": {}}
    bound = float("-inf")
    for name, asked in sets.items():
        readings = read(reader, asked)
        if any(not one.answers for one in asked):
            bound = best_bound(asked, readings)
        report["sets"][name] = asdict(evaluate(asked, readings, bound)) | {"questions": len(asked)}
        if not any(not one.answers for one in asked):
            always = evaluate(asked, readings, float("-inf"))
            name = f"{name}, always answered"
            report["sets"][name] = asdict(always) | {"questions": len(asked)}
    # Of a reader that knows nothing no answer is worth giving: then there is no bound.
    known = bound if np.isfinite(bound) else None
    return report | {"bound": known, "speed": speed(reader, folder, next(iter(sets.values())))}


def main() -> None:
    """Print the table for model folders."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.reader")
    parser.add_argument("folders", type=Path, nargs="+", help="each as training writes it")
    parser.add_argument("--most", type=int, help="so many questions of each set")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    if REAL_DATA is None:
        raise SystemExit("The public data sets are not beside the repository (../shared/data).")
    with tempfile.TemporaryDirectory() as cache:
        embedder = open_embedder("onnx", cache=Path(cache))
        reports = run_reader(REAL_DATA, options.folders, embedder, options.most)
    if options.json:
        options.json.write_text(json.dumps(reports, indent=2) + "\n", encoding="utf-8")


def run_reader(
    data: Path, folders: Sequence[Path], embedder: Embedder, most: int | None
) -> list[dict[str, Any]]:
    """Measure model folders beside the selection of sentences, and print their table."""
    sets = {"squad2-half-dev": squad2(data), "xquad en": xquad(data), "tat-qa, text": tatqa(data)}
    sets = {name: _sample(asked, most) for name, asked in sets.items()}
    reports = [measure(folder, sets) for folder in folders]
    reports.append(without(embedder, sets))
    table = Table("model", "set", "questions", "EM", "F1, 95 %", "refused rightly")
    for report in reports:
        for name, one in report["sets"].items():
            f1 = one["f1"]
            table.add_row(
                report["folder"],
                name,
                str(one["questions"]),
                f"{one['exact']['mean']:.3f}",
                f"{f1['mean']:.3f} ({f1['low']:.3f}-{f1['high']:.3f})",
                f"{one['refused']['mean']:.3f}" if one["refused"] else "-",
            )
    Console(width=100).print(table)
    for report in reports[:-1]:
        took = report["speed"]
        Console(width=100).print(
            f"{report['folder']}: an answer from a score of {report['bound']} on; "
            f"{took['passages']} passages in {took['clock_ms']} ms, "
            f"{took['processor_ms']} ms of processor time."
        )
    return reports


def _sample(asked: list[Asked], most: int | None) -> list[Asked]:
    return asked if most is None else random.Random(0).sample(asked, min(most, len(asked)))


def _asked(path: Path) -> Iterator[Asked]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        articles = json.load(file)["data"]
    for article in articles:
        for paragraph in article["paragraphs"]:
            for one in paragraph["qas"]:
                answers = dict.fromkeys(answer["text"] for answer in one["answers"])
                yield Asked(
                    question=one["question"],
                    passage=paragraph["context"],
                    answers=() if one.get("is_impossible") else tuple(answers),
                )


if __name__ == "__main__":
    main()
