"""``python -m tests.benchmarks.reader FOLDER``: how well a reader reads, passage in hand.

The half of SQuAD 2.0's development part that is at hand, of which half of the questions have
no answer in their paragraph, and XQuAD's English, which was kept out of all choices. The
bound between an answer and none is the best one on the first; nothing is chosen on the other.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from rag.evaluate import Estimate, estimate, exact_match, token_f1
from rag.models.offline.reader import Reader, Reading
from tests.realdata import REAL_DATA


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


def score(readings: Sequence[Reading]) -> NDArray[np.float64]:
    """How much likelier each answer is than none."""
    return np.array([one.span + one.relevant for one in readings])


def evaluate(asked: Sequence[Asked], readings: Sequence[Reading], least: float) -> Result:
    """What readings are worth when answers below a score are taken for none."""
    said = [
        one.passage[reading.start : reading.end] if value >= least else ""
        for one, reading, value in zip(asked, readings, score(readings), strict=True)
    ]
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
    return float(values[order[answered - 1]]) if answered else float("inf")


def read(reader: Reader, asked: Sequence[Asked]) -> tuple[list[Reading], float]:
    """Each passage read for its question, and milliseconds a passage."""
    began = time.perf_counter()
    readings = [reader.read(one.question, [one.passage])[0] for one in asked]
    return readings, (time.perf_counter() - began) * 1000 / len(asked)


def main() -> None:
    """Print the table for a model folder."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.reader")
    parser.add_argument("folder", type=Path, help="holds reader.onnx and tokenizer.json")
    parser.add_argument("--only", type=int, help="so many questions of each set")
    options = parser.parse_args()
    if REAL_DATA is None:
        raise SystemExit("The public data sets are not beside the repository (../shared/data).")
    reader = Reader(options.folder)
    table = Table("set", "questions", "EM", "F1", "refused rightly", "ms a passage")
    sets = {"squad2-half-dev": squad2(REAL_DATA), "xquad en": xquad(REAL_DATA)}
    bound = 0.0
    for name, asked in sets.items():
        asked = asked[: options.only]
        readings, milliseconds = read(reader, asked)
        if any(not one.answers for one in asked):
            bound = best_bound(asked, readings)
        result = evaluate(asked, readings, bound)
        refused = f"{result.refused.mean:.3f}" if result.refused else "-"
        row = (f"{result.exact.mean:.3f}", f"{result.f1.mean:.3f}", refused, f"{milliseconds:.1f}")
        table.add_row(name, str(len(asked)), *row)
        if bound and name == "xquad en":
            always = evaluate(asked, readings, float("-inf"))
            row = (f"{always.exact.mean:.3f}", f"{always.f1.mean:.3f}", "-", "")
            table.add_row(f"{name}, always answered", str(len(asked)), *row)
    Console().print(table)
    Console().print(f"An answer is given from a score of {bound:.2f} on.")


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
