"""``python -m tests.benchmarks.words``: BM25 over many texts, beside other engines.

Texts and queries are synthetic (`synthetic.py`), queries of two to six words, one after the other
on one thread. Beside ours, where they are installed: tantivy alone with its own English analysis,
bm25s with its English stop words and a stemmer, and FTS5 of SQLite with the Porter stemmer, asked
for any of the words. All lie in folders, of which bm25s reads its own whole.

Every index is made first, in a process of its own, and then asked in another: ``opened`` is from
the start of that to its first answer, ``MB`` the most memory that was resident in it. With
``--keep`` what was made is used again; ``--make`` stops before anything is timed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from rag.lexical import LexicalIndex
from tests.benchmarks.apart import apart, peak_mb
from tests.benchmarks.synthetic import Language

_K = 10
_QUERIES = 300
_WORDS_EACH = 90
_AT_ONCE = 4_000
_LONGEST_S = 60.0
"""No engine is asked for longer: some of the queries have to do."""
Search: TypeAlias = Callable[[str], object]


class Engine(NamedTuple):
    """How to make an index of portions of texts in an empty folder, and how to open it."""

    make: Callable[[Iterator[list[str]], Path], None]
    open: Callable[[Path], Search]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--beside", nargs="*", default=[], choices=sorted(set(_ENGINES) - {"ours"}))
    parser.add_argument("--keep", type=Path, help="keep the indexes there, or use them")
    parser.add_argument("--make", action="store_true", help="only make what is not kept yet")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ibidem-words-") as folder:
        kept = arguments.keep or Path(folder)
        pairs = [(size, name) for size in arguments.sizes for name in ("ours", *arguments.beside)]
        for size, name in pairs:
            if not _made(kept, size, name).exists():
                apart(make, kept, size, name)
        if arguments.make:
            return
        report = [apart(measure, kept, *pair, time.time()) for pair in pairs]
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1))
    show(report)


def make(kept: Path, size: int, name: str) -> None:
    """Make an index of so many texts; what it took is kept beside it."""
    folder = kept / str(size) / name
    shutil.rmtree(folder, ignore_errors=True)  # what an interrupted run left
    folder.mkdir(parents=True)
    drawing_s = 0.0

    def texts() -> Iterator[list[str]]:
        nonlocal drawing_s
        language, random = Language(), np.random.default_rng(size)
        for start in range(0, size, _AT_ONCE):
            began = time.perf_counter()
            some = language.texts(random, min(_AT_ONCE, size - start), _WORDS_EACH)
            drawing_s += time.perf_counter() - began
            yield some

    began = time.perf_counter()
    _ENGINES[name].make(texts(), folder)
    built_s = time.perf_counter() - began - drawing_s
    disk = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    _made(kept, size, name).write_text(json.dumps({"built_s": built_s, "disk_mb": disk >> 20}))


def _made(kept: Path, size: int, name: str) -> Path:
    return kept / str(size) / f"{name}.json"


def measure(kept: Path, size: int, name: str, began: float) -> dict[str, Any]:
    """Figures of one engine."""
    language, random = Language(), np.random.default_rng(size + 1)
    lengths = random.integers(2, 7, _QUERIES)
    queries = [language.texts(random, 1, int(length))[0] for length in lengths]
    search = _ENGINES[name].open(kept / str(size) / name)
    search(queries[0])
    opened_s = time.time() - began
    seconds: list[float] = []
    for query in queries:
        if sum(seconds) > _LONGEST_S:
            break
        asked = time.perf_counter()
        search(query)
        seconds.append(time.perf_counter() - asked)
    return {
        "texts": size,
        "index": name,
        "queries": len(seconds),
        "p50_ms": 1_000 * float(np.percentile(seconds, 50)),
        "p99_ms": 1_000 * float(np.percentile(seconds, 99)),
        **json.loads(_made(kept, size, name).read_text()),
        "opened_s": opened_s,
        "peak_mb": peak_mb(),
    }


def _make_ours(portions: Iterator[list[str]], folder: Path) -> None:
    index, start = LexicalIndex(folder), 0
    for texts in portions:
        index.add(np.arange(start, start + len(texts)), texts)
        start += len(texts)


def _open_ours(folder: Path) -> Search:
    index = LexicalIndex(folder)
    return lambda query: index.search(query, _K)


def _make_tantivy(portions: Iterator[list[str]], folder: Path) -> None:
    import tantivy

    builder = tantivy.SchemaBuilder()
    builder.add_text_field("text", tokenizer_name="en_stem", index_option="freq")
    builder.add_unsigned_field("id", stored=True)
    writer = tantivy.Index(builder.build(), path=str(folder)).writer(128_000_000, 1)
    for number, text in enumerate(chain.from_iterable(portions)):
        writer.add_document(tantivy.Document(text=text, id=number))
    writer.commit()
    writer.wait_merging_threads()


def _open_tantivy(folder: Path) -> Search:
    import tantivy

    index = tantivy.Index.open(str(folder))
    searcher = index.searcher()
    return lambda query: searcher.search(index.parse_query(query, ["text"]), _K).hits


def _make_bm25s(portions: Iterator[list[str]], folder: Path) -> None:
    import bm25s
    import Stemmer

    stemmer = Stemmer.Stemmer("english")
    texts = list(chain.from_iterable(portions))
    words = bm25s.tokenize(texts, stopwords="en", stemmer=stemmer, show_progress=False)
    del texts
    model = bm25s.BM25(k1=1.2, b=0.75)
    model.index(words, show_progress=False)
    model.save(folder)


def _open_bm25s(folder: Path) -> Search:
    import bm25s
    import Stemmer

    stemmer = Stemmer.Stemmer("english")
    model = bm25s.BM25.load(folder)

    def search(query: str) -> object:
        words = bm25s.tokenize([query], stopwords="en", stemmer=stemmer, show_progress=False)
        return model.retrieve(words, k=_K, show_progress=False)

    return search


def _make_fts5(portions: Iterator[list[str]], folder: Path) -> None:
    database = sqlite3.connect(folder / "fts.db")
    database.execute("CREATE VIRTUAL TABLE t USING fts5(text, content='', tokenize='porter')")
    rows = enumerate(chain.from_iterable(portions))
    with database:
        database.executemany("INSERT INTO t(rowid, text) VALUES (?, ?)", rows)
    database.close()


def _open_fts5(folder: Path) -> Search:
    database = sqlite3.connect(folder / "fts.db")
    query_of = "SELECT rowid, rank FROM t WHERE t MATCH ? ORDER BY rank LIMIT ?"

    def search(query: str) -> object:
        any_word = " OR ".join(f'"{word}"' for word in query.split())
        return database.execute(query_of, (any_word, _K)).fetchall()

    return search


_ENGINES = {
    "ours": Engine(_make_ours, _open_ours),
    "tantivy": Engine(_make_tantivy, _open_tantivy),
    "bm25s": Engine(_make_bm25s, _open_bm25s),
    "fts5": Engine(_make_fts5, _open_fts5),
}


def show(report: Sequence[dict[str, Any]]) -> None:
    """A row for each size and engine."""
    table = Table(box=box.SIMPLE, padding=(0, 1, 0, 0))
    for column in (
        "texts",
        "index",
        "queries",
        "p50 ms",
        "p99 ms",
        "made s",
        "opened s",
        "disk MB",
        "MB",
    ):
        table.add_column(column, justify="right")
    for one in report:
        table.add_row(
            f"{one['texts']:,}",
            one["index"],
            str(one["queries"]),
            *(f"{one[key]:.2f}" for key in ("p50_ms", "p99_ms")),
            *(f"{one[key]:.1f}" for key in ("built_s", "opened_s")),
            *(f"{one[key]:,}" for key in ("disk_mb", "peak_mb")),
        )
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
