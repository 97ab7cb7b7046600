"""``python -m tests.benchmarks.plot FIGURES.json...``: curves of benchmarks as pictures.

Of what `vectors.py`, `words.py` and `search_http.py` wrote with ``--json``. Needs matplotlib, which
nothing else here does: ``pip install matplotlib``.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

_PLOTS = Path(__file__).with_name("plots")
Rows: TypeAlias = Sequence[dict[str, Any]]
Name: TypeAlias = Callable[[dict[str, Any]], str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("figures", type=Path, nargs="+", help="written with --json")
    parser.add_argument("--out", type=Path, default=_PLOTS, help="a folder")
    arguments = parser.parse_args()
    rows = [row for path in arguments.figures for row in _rows(json.loads(path.read_text()))]
    times = {"p50_ms": "median of a query, ms", "p99_ms": "99th percentile, ms"}
    draw(
        [row for row in rows if "vectors" in row],
        arguments.out / "vectors.svg",
        _index,
        ("vectors", "vectors of 384"),
        {"p50_ms": times["p50_ms"], "recall": "recall@10"},
    )
    draw(
        [row for row in rows if "texts" in row],
        arguments.out / "words.svg",
        lambda row: str(row["index"]),
        ("texts", "texts of 90 words"),
        times,
    )
    draw(
        [row for row in rows if "users" in row and row["asked"] == "all"],
        arguments.out / "search.svg",
        lambda row: f"{row['chunks']:,} chunks",
        ("users", "users at once"),
        times,
    )


def _rows(figures: Any) -> Rows:
    """Those of a search over HTTP stand in a report."""
    if isinstance(figures, dict):
        return [{**row, "chunks": figures["chunks"]} for row in figures["rows"]]
    return list(figures)


def _index(row: dict[str, Any]) -> str:
    asked = "" if row["asked"] == "all" else f", {row['asked']}"
    return f"{row['index']}{asked}"


def _points(rows: Rows, x: str, y: str) -> tuple[list[float], list[float]]:
    return [row[x] for row in rows], [row[y] for row in rows]


def draw(rows: Rows, out: Path, name: Name, x: tuple[str, str], panels: dict[str, str]) -> None:
    """A panel for each figure, in it a line for each name, by what ``x`` says.

    What was measured on real data are crosses, in the colour of the line.
    """
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams |= {"svg.hashsalt": "ibidem", "svg.fonttype": "none"}
    from matplotlib import pyplot

    lines: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row[x[0]]):
        lines[name(row)].append(row)
    if not lines:
        return
    figure, axes = pyplot.subplots(1, len(panels), figsize=(10, 4))
    for one, (figure_name, title) in zip(axes, panels.items(), strict=True):
        for label, points in lines.items():
            real = [row for row in points if row.get("set") == "real"]
            made = [row for row in points if row not in real]
            (line,) = one.plot(*_points(made, x[0], figure_name), marker="o", label=label)
            one.plot(*_points(real, x[0], figure_name), "x", color=line.get_color(), markersize=10)
        one.set(xscale="log", xlabel=x[1], title=title)
        one.grid(alpha=0.3)
        if figure_name.endswith("_ms"):
            one.set_yscale("log")
    axes[-1].legend(fontsize=7)
    figure.tight_layout()
    out.parent.mkdir(exist_ok=True)
    figure.savefig(out, metadata={"Date": None})
    pyplot.close(figure)


if __name__ == "__main__":
    main()
