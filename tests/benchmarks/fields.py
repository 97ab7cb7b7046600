"""``python -m tests.benchmarks.fields FOLDER``: whether a reader fills fields better.

F1 over four fields of agreements on confidentiality (Kleister NDA, as `tests.benchmarks.tasks`
measures it) and over five of contracts (CUAD, as `tests.benchmarks.contract_fields` does), without
and with the reader. ``--fit`` chooses how much it weighs on Kleister's part for tuning, and writes
that into its card when it helps there; the rest only measures. ``--most`` takes so many
agreements of each part, and a fifth as many contracts, which are longer.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

from rich.console import Console
from rich.table import Table

from rag.models.offline.asking import USE
from rag.models.offline.engine import OfflineEngine
from rag.models.offline.folder import add_fitted
from rag.models.offline.reader import Reader, Reading
from rag.types import Span
from tests.benchmarks.contract_fields import contracts
from tests.benchmarks.contract_fields import filled as marked
from tests.benchmarks.of_reader import asked
from tests.benchmarks.task_sets import kleister
from tests.benchmarks.tasks import Counts, f1_of, filled

_READ = (0.0, 0.1, 0.2, 0.4)
_LEAST = (-0.1, 0.0, 0.1)


class Remembering:
    """A reader that reads nothing twice, with other constants for fields."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._known: dict[tuple[str, str, Span], Reading] = {}
        self.card = reader.card

    def weigh(self, weights: dict[str, float] | None) -> None:
        others = {use: kept for use, kept in self._reader.card.fitted.items() if use != USE}
        self.card = replace(self._reader.card, fitted=others | ({USE: weights} if weights else {}))

    def read_each(
        self, question: str, passages: Sequence[str], stretches: Sequence[Sequence[Span]]
    ) -> list[list[Reading]]:
        keys = [
            [(question, text, one) for one in of]
            for text, of in zip(passages, stretches, strict=True)
        ]
        for key in itertools.chain.from_iterable(keys):
            if key not in self._known:
                ((self._known[key],),) = self._reader.read_each(key[0], [key[1]], [[key[2]]])
        return [[self._known[key] for key in of] for of in keys]


def main() -> None:
    """Print the table for a model folder; choose its weights first when asked to."""
    options = asked("fields", fits="weights", most=100, counts="agreements of each part")
    folder, embedder = options.data / "extraction/kleister-nda", options.embedder
    reader = Remembering(Reader(options.folder))

    def f1(
        texts: Sequence[Any], fill: Callable[..., Counts], weights: dict[str, float] | None
    ) -> dict[str, Any]:
        reader.weigh(weights)
        engine = OfflineEngine(embedder, reader)  # type: ignore[arg-type]
        counts = [fill(engine, one) for one in texts]
        return {field or "all": asdict(f1_of(counts, field)) for field in (*counts[0], None)}

    weights = dict(reader.card.fitted.get(USE, {"read": 0.2, "least": 0.0}))
    if options.fit:
        tuning = kleister(folder, tuning=True)[: options.most]
        tried = [{"read": read, "least": least} for read in _READ for least in _LEAST]
        weights = max(tried, key=lambda one: f1(tuning, filled, one)["all"]["mean"])
        without, best = (f1(tuning, filled, one)["all"]["mean"] for one in (None, weights))
        print(f"on the part for tuning: {without:.3f} without, {best:.3f} with {weights}")
        # Another threshold alone is nothing that the reader has found.
        if best > without and weights["read"]:
            add_fitted(options.folder, {USE: weights})
    sets: dict[str, tuple[Sequence[Any], Callable[..., Counts]]] = {
        "Kleister NDA": (kleister(folder)[: options.most], filled),
        "CUAD": (contracts(options.data / "retrieval/cuad-spans", options.most // 5), marked),
    }
    report: dict[str, Any] = {"weights": weights}
    table = Table("set", "field", "documents", "F1 without", "with")
    for name, (texts, fill) in sets.items():
        sides = {"without": f1(texts, fill, None), "with": f1(texts, fill, weights)}
        report[name] = sides
        for field in sides["with"]:
            cells = [f"{of_side[field]['mean']:.3f}" for of_side in sides.values()]
            table.add_row(name, field, str(len(texts)), *cells)
    Console(width=100).print(table)
    options.write(report)


if __name__ == "__main__":
    main()
