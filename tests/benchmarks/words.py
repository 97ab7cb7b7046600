"""``python -m tests.benchmarks.words``: BM25 over many texts, beside other engines.

Texts and queries are synthetic (`synthetic.py`), queries of two to six words, one after the other
on one thread. Ours lies in a folder. Beside it, where they are installed: tantivy with its own
English analysis in a folder, bm25s (with its English stop words and a stemmer) in memory, and
FTS5 of SQLite with the Porter stemmer, asked for any of the words.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from rag.lexical import LexicalIndex
from tests.benchmarks.synthetic import Language

_K = 10
_QUERIES = 300
_WORDS_EACH = 90
_AT_ONCE = 4_000
Search: TypeAlias = Callable[[str], object]
Engine: TypeAlias = Callable[[Sequence[str], Path], Search]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--beside", nargs="*", default=[], choices=sorted(set(_ENGINES) - {"ours"}))
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    language, report = Language(), []
    for size in arguments.sizes:
        random = np.random.default_rng(size)
        texts = language.texts(random, size, _WORDS_EACH)
        lengths = random.integers(2, 7, _QUERIES)
        queries = [language.texts(random, 1, int(length))[0] for length in lengths]
        report += [measure(name, texts, queries) for name in ("ours", *arguments.beside)]
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1))
    show(report)


def measure(name: str, texts: Sequence[str], queries: Sequence[str]) -> dict[str, Any]:
    """Figures of one engine."""
    with tempfile.TemporaryDirectory(prefix="ibidem-words-") as folder:
        began = time.perf_counter()
        search = _ENGINES[name](texts, Path(folder))
        built_s = time.perf_counter() - began
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
        search(queries[0])
        seconds = []
        for query in queries:
            began = time.perf_counter()
            search(query)
            seconds.append(time.perf_counter() - began)
    return {
        "texts": len(texts),
        "index": name,
        "p50_ms": 1_000 * float(np.percentile(seconds, 50)),
        "p99_ms": 1_000 * float(np.percentile(seconds, 99)),
        "built_s": built_s,
        "disk_mb": size >> 20,
    }


def _ours(texts: Sequence[str], folder: Path) -> Search:
    index = LexicalIndex(folder)
    for start in range(0, len(texts), _AT_ONCE):
        some = texts[start : start + _AT_ONCE]
        index.add(np.arange(start, start + len(some)), some)
    return lambda query: index.search(query, _K)


def _tantivy(texts: Sequence[str], folder: Path) -> Search:
    import tantivy

    builder = tantivy.SchemaBuilder()
    builder.add_text_field("text", tokenizer_name="en_stem", index_option="freq")
    builder.add_unsigned_field("id", stored=True)
    index = tantivy.Index(builder.build(), path=str(folder))
    writer = index.writer(128_000_000, 1)
    for number, text in enumerate(texts):
        writer.add_document(tantivy.Document(text=text, id=number))
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    searcher = index.searcher()
    return lambda query: searcher.search(index.parse_query(query, ["text"]), _K).hits


def _bm25s(texts: Sequence[str], _folder: Path) -> Search:
    import bm25s
    import Stemmer

    stemmer = Stemmer.Stemmer("english")
    model = bm25s.BM25(k1=1.2, b=0.75)
    model.index(
        bm25s.tokenize(list(texts), stopwords="en", stemmer=stemmer, show_progress=False),
        show_progress=False,
    )

    def search(query: str) -> object:
        words = bm25s.tokenize([query], stopwords="en", stemmer=stemmer, show_progress=False)
        return model.retrieve(words, k=_K, show_progress=False)

    return search


def _fts5(texts: Sequence[str], folder: Path) -> Search:
    database = sqlite3.connect(folder / "fts.db")
    database.execute("CREATE VIRTUAL TABLE t USING fts5(text, content='', tokenize='porter')")
    with database:
        database.executemany("INSERT INTO t(rowid, text) VALUES (?, ?)", enumerate(texts))
    query_of = "SELECT rowid, rank FROM t WHERE t MATCH ? ORDER BY rank LIMIT ?"

    def search(query: str) -> object:
        any_word = " OR ".join(f'"{word}"' for word in query.split())
        return database.execute(query_of, (any_word, _K)).fetchall()

    return search


_ENGINES: dict[str, Engine] = {
    "ours": _ours,
    "tantivy": _tantivy,
    "bm25s": _bm25s,
    "fts5": _fts5,
}


def show(report: Sequence[dict[str, Any]]) -> None:
    """A row for each size and engine."""
    table = Table(box=box.SIMPLE, padding=(0, 1, 0, 0))
    for column in ("texts", "index", "p50 ms", "p99 ms", "built s", "disk MB"):
        table.add_column(column, justify="right")
    for one in report:
        table.add_row(
            f"{one['texts']:,}",
            one["index"],
            *(f"{one[key]:.2f}" for key in ("p50_ms", "p99_ms", "built_s")),
            str(one["disk_mb"]),
        )
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
