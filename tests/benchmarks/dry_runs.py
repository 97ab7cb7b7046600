"""``python -m tests.benchmarks.dry_runs``: what dry runs say beside what the runs then take.

Five analyses (four kinds, and a schema of one's own) over real contracts, by a model that quotes
what it is given and counts tokens as words and marks. Wanted: input within 15 %, output at most
what was said, and as many calls.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from rag.analysis.plan import dry_run
from rag.analysis.requests import Kind, Over, Request, Scope
from rag.analysis.run import run_analysis
from rag.models.chat import ChatReply, ChatRequest, Finish, Tokens
from rag.models.engine import Context
from rag.models.tasks import Label
from tests.analyses import Shelf, counted, output_of
from tests.benchmarks.analyses import contracts
from tests.realdata import REAL_DATA
from tests.scripted import Kept, Model, engine

_SCHEMA = {
    "type": "object",
    "properties": {
        "parties": {"type": "array", "items": {"type": "string"}},
        "effective_date": {"type": "string"},
        "payments": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"amount": {"type": "number"}, "due": {"type": "string"}},
            },
        },
    },
}
_LABELS = (Label(name="contract", description="an agreement"), Label(name="letter"))
ASKED: dict[str, dict[str, Any]] = {
    "summary": {"kind": Kind.SUMMARY, "over": Over.ALL},
    "extraction": {"kind": Kind.EXTRACTION, "instructions": "parties, effective date and term"},
    "reasoning": {"kind": Kind.REASONING, "over": Over.ALL},
    "classification": {"kind": Kind.CLASSIFICATION, "labels": _LABELS},
    "own schema": {"kind": Kind.EXTRACTION, "schema": _SCHEMA},
}


class _Quoting(Model):
    def complete(self, request: ChatRequest, *, timeout: float) -> ChatReply:
        self.requests.append(request)
        text = output_of(request)
        tokens = Tokens(input=counted(request), output=len(text) // 3)
        return ChatReply(text=text, finish=Finish.COMPLETE, model="m", tokens=tokens)


class _Forgetting(Kept):
    """Keeps no reply: every call is made."""

    def put(self, tenant: str, key: str, reply: ChatReply, *, documents: Any, also: Any) -> None:
        also()

    def fail(self, tenant: str, task: str, attempt: int, *, documents: Any) -> None:
        """Nothing to remember."""


def main() -> None:
    """Print a row for each of the analyses."""
    given = argparse.ArgumentParser(prog="python -m tests.benchmarks.dry_runs")
    given.add_argument("--contracts", type=int, default=6)
    given.add_argument("--window", type=int, default=32_000, help="tokens of the model")
    given.add_argument("--json", type=Path, default=None)
    options = given.parse_args()
    if REAL_DATA is None:
        raise SystemExit("The public data sets are not beside the repository (../shared/data).")
    texts, _ = contracts(REAL_DATA / "retrieval/cuad-spans", options.contracts)
    rows = [measured(name, texts, options.window) for name in ASKED]
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*map(str, row.values()))
    Console(width=120).print(table)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


def measured(name: str, texts: dict[str, str], window: int) -> dict[str, Any]:
    """One row: what was said, and what it took."""
    library = Shelf(texts)
    request = Request(scope=Scope(documents=tuple(texts)), **ASKED[name])
    reader = engine(_Quoting(), _Forgetting(), window=window)
    told = dry_run(request, library, reader, Context()).forecast
    result = run_analysis(request, library=library, engine=reader)
    usage = result["usage"]
    return {
        "analysis": name,
        "calls told": told.calls,
        "made": result["calls"],
        "input told": told.input_tokens,
        "used": usage["input_tokens"],
        "difference": f"{told.input_tokens / usage['input_tokens'] - 1:+.1%}",
        "output at most": told.most_output_tokens,
        "written": usage["output_tokens"],
        "failed": sum(result["coverage"]["failures"].values()),
    }


if __name__ == "__main__":
    main()
