"""``python -m tests.benchmarks.plot FIGURES.json...``: curves of `vectors.py` as a picture.

Needs matplotlib, which nothing else here does: ``pip install matplotlib``.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_PLOTS = Path(__file__).with_name("plots")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("figures", type=Path, nargs="+", help="written by vectors.py --json")
    parser.add_argument("--out", type=Path, default=_PLOTS / "vectors.svg")
    arguments = parser.parse_args()
    rows = [row for path in arguments.figures for row in json.loads(path.read_text())]
    draw(rows, arguments.out)


def draw(rows: Sequence[dict[str, Any]], out: Path) -> None:
    """Median time and recall by the number of vectors, a line for each index and way to ask."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams |= {"svg.hashsalt": "ibidem", "svg.fonttype": "none"}
    from matplotlib import pyplot

    lines: dict[str, list[tuple[int, float, float]]] = defaultdict(list)
    for row in rows:
        name = row["index"] if row["asked"] == "all" else f"{row['index']}, {row['asked']}"
        lines[name].append((row["vectors"], row["p50_ms"], row["recall"]))
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4))
    for name, points in lines.items():
        sizes, times, recalls = zip(*sorted(points), strict=True)
        left.plot(sizes, times, marker="o", label=name)
        right.plot(sizes, recalls, marker="o", label=name)
    for axes, title in ((left, "median of a query, ms"), (right, "recall@10")):
        axes.set(xscale="log", xlabel="vectors of 384", title=title)
        axes.grid(alpha=0.3)
    left.set_yscale("log")
    right.legend(fontsize=7)
    figure.tight_layout()
    out.parent.mkdir(exist_ok=True)
    figure.savefig(out, metadata={"Date": None})


if __name__ == "__main__":
    main()
