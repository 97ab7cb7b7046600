"""What our layer adds to a call of a language model, and how many calls run at once.

``python -m tests.benchmarks.calls [--json FILE]``: a backend that answers at once shows the
overhead of rendering, limits, metering, validation and recording the reply on disk; one that
takes a second shows whether 200 calls wait for one another.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from rag.catalog import Catalog
from rag.catalog.additions import NewDocument
from rag.catalog.opening import open_sqlite
from rag.catalog.vectors import VectorStore
from rag.models.budget import BudgetLimits, Budgets
from rag.models.calls import Calls, Meter
from rag.models.chat import ChatReply, ChatRequest, Finish, Role, Tokens, Turn
from rag.models.engine import Context
from rag.models.limits import Limits
from rag.models.monitor import Monitor
from rag.models.observe import Observers
from rag.models.pricing import Price, Pricing
from rag.models.prompted import PromptedEngine
from rag.models.tasks import AnswerTask
from rag.types import Passage

_CALLS = 300
_AT_ONCE = 200
_TENANT = "t"
_WORDS = "The rent of the boathouse is 400 a month, payable on the first working day. "
_REPLY = {
    "reasoning": "P1 says so.",
    "statements": [{"text": "400.", "evidence": [{"passage": "P1", "quote": "400 a month"}]}],
    "confidence": 0.9,
}
_ANSWERED = ChatReply(
    text=json.dumps(_REPLY),
    finish=Finish.COMPLETE,
    model="m",
    tokens=Tokens(input=2_000, output=60),
)


class Backend:
    """Answers the same, after a while."""

    id = "test:model"
    provider = "test"
    revision = ""
    takes_temperature = True
    takes_images = False

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def complete(self, request: ChatRequest, *, timeout: float) -> ChatReply:
        if self._seconds:
            time.sleep(self._seconds)
        return _ANSWERED


def overhead(*, shipped: bool) -> dict[str, float]:
    """Medians of a new call, and of one whose reply is known, in milliseconds.

    Processor time leaves out what the disk and other programs take. As ``shipped``, the ledger
    and the monitor are told, and a key's and a day's budget kept.
    """
    with tempfile.TemporaryDirectory() as folder:
        catalog = Catalog(
            open_sqlite(Path(folder) / "catalog.db"),
            VectorStore(open_sqlite(Path(folder) / "vectors.db")),
        )
        document = _document(catalog)
        meter = Observers([Monitor(), catalog.usage]) if shipped else Meter()
        pricing = Pricing([Price(model="test:", input=0.001, output=0.001)])
        budgets = Budgets(BudgetLimits(key_usd=1e6, day_usd=1e6), catalog.usage)
        calls = Calls(Backend(0.0), limits=Limits(), meter=meter, pricing=pricing)
        engine = PromptedEngine(calls, replies=catalog.replies, secret=b"s")
        samples: dict[str, list[float]] = defaultdict(list)
        for number in range(_CALLS):
            task = _task(number, document)
            for kind in ("new call", "known reply"):
                started, worked = time.perf_counter(), time.process_time()
                mine = budgets.of_request(key="k") if shipped else ()
                engine.run(task, Context(tenant=_TENANT, key="k", budgets=mine))
                samples[f"{kind}, processor ms"].append((time.process_time() - worked) * 1000)
                samples[f"{kind}, ms"].append((time.perf_counter() - started) * 1000)
        catalog.close()
    return {name: median(values) for name, values in samples.items()}


def many_at_once() -> float:
    """Seconds for 200 calls of one second with a limit of 200."""
    calls = Calls(
        Backend(1.0), limits=Limits(concurrent=_AT_ONCE), meter=Meter(), pricing=Pricing()
    )
    request = ChatRequest(system="", turns=(Turn(role=Role.USER, text="?"),))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        started = time.perf_counter()
        list(pool.map(lambda _: calls.call(request), range(_AT_ONCE)))
        return time.perf_counter() - started


def _document(catalog: Catalog) -> str:
    collection = catalog.collections.create(_TENANT, "c", embedder="e", chunking={})
    new = NewDocument(
        collection=collection,
        sha256="0" * 64,
        name="lease.txt",
        media_type="text/plain",
        size=1,
        metadata={},
    )
    return catalog.documents.add(new, store=lambda: None)[0].id


def _task(number: int, document: str) -> AnswerTask:
    passage = Passage(
        document_id=document,
        document_title="Lease",
        start=0,
        end=1_200,
        text=_WORDS * 15,
        score=1.0,
    )
    return AnswerTask(question=f"Question {number}?", passages=(passage,) * 8)


def main() -> None:
    """Print the figures, of the bare calls and of those as shipped."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.calls")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = {f"bare: {name}": value for name, value in overhead(shipped=False).items()}
    found |= {f"as shipped: {name}": value for name, value in overhead(shipped=True).items()}
    found["200 calls of 1 s at once, s"] = many_at_once()
    for name, value in found.items():
        print(f"{name:40} {value:8.2f}")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
