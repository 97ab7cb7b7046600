"""An analysis from beginning to end in a plain loop, for those who need no jobs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rag.analysis.library import Library
from rag.analysis.requests import Request, check
from rag.analysis.work import Analyses
from rag.errors import BudgetExceeded, IbidemError
from rag.models.engine import Context, Engine
from rag.work import Done, Failed, Item, NewItem, Produced, WorkSpec


def run_analysis(
    request: Request, *, library: Library, engine: Engine, context: Context | None = None
) -> Mapping[str, Any]:
    """Do an analysis, one item after the other.

    Args:
        request: What is to be done.
        library: The documents; one that comes with the request is its own.
        engine: What reads, whatever engine the request names.
        context: For whom, and within which budgets; the default tenant when not given.

    Returns:
        The result with its evidence, coverage, doubts and usage, as JSON.

    Raises:
        IbidemError: The request cannot be carried out, or nothing could be read.
        BudgetExceeded: There is no money left; what was done is found known the next time.
    """
    return dict(
        work_through(request, library=library, engine=engine, context=context or Context()).value
    )


def work_through(
    request: Request, *, library: Library, engine: Engine, context: Context
) -> Produced:
    """As `run_analysis`, and with the documents whose text the result repeats."""
    check(request)
    work = Analyses(library=lambda _: library, engine=lambda *_: engine)
    body = {"request": _plain(request.as_json())}
    spec = WorkSpec(
        job=context.job or "",
        body=body,
        tenant=context.tenant,
        key=context.key,
        budgets=context.budgets,
    )
    done: list[Done] = []
    failed: list[Failed] = []
    number = 0
    items = list(work.items(spec))
    while items:
        this = [one for item in items if (one := _run(work, spec, number, item, failed))]
        done += this
        items = list(work.after(spec, number, this))
        number += 1
    made = work.finish(spec, done, failed)
    return replace(made, value=_plain(made.value))


def _run(
    work: Analyses, spec: WorkSpec, number: int, item: NewItem, failed: list[Failed]
) -> Done | None:
    one = Item(round=number, position=item.position, payload=_plain(item.payload))
    try:
        value = _plain(work.run(spec, one).value)
    except BudgetExceeded:
        raise
    except IbidemError as error:
        told = error.as_dict()
        failed.append(
            Failed(round=one.round, position=one.position, payload=one.payload, error=told)
        )
        return None
    return Done(round=one.round, position=one.position, payload=one.payload, value=value)


def _plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """The value as it comes back from where it is kept."""
    return dict(json.loads(json.dumps(value)))
