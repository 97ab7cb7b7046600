"""What language models were used for: calls, tokens and money by day, API key, job and model.

The sums outlive the process, so that budgets of a day, a key or a job do too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from rag.catalog import schema as t
from rag.catalog.database import Database
from rag.models.chat import Tokens
from rag.models.observe import Attempt, Event

NO_JOB = ""
_PLACE = ("day", "key", "tenant", "job", "model")
_SUMS = (
    *("calls", "input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens"),
    *("cost_usd", "unpriced", "seconds"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """The calls of one model for one key on one day, by UTC.

    ``cost_usd`` is ``None`` once the price of a reply is unknown.
    """

    day: date
    key: str
    model: str
    calls: int
    failures: Mapping[str, int]
    tokens: Tokens
    cost_usd: float | None
    seconds: float


class UsageLedger:
    """Adds up what it is told of. An `Observer`."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._db = database
        self._clock = clock

    @property
    def today(self) -> date:
        """The day that calls made now belong to."""
        return datetime.fromtimestamp(self._clock(), UTC).date()

    def tell(self, event: Event) -> None:
        """Add a call to its sums.

        It survives the process at once, and a power failure with the next durable commit:
        that of the reply.
        """
        if isinstance(event, Attempt):
            with self._db.write(durable=False) as connection:
                add(connection, self.today, event)

    def spent_usd(
        self, *, day: date | None = None, key: str | None = None, job: str | None = None
    ) -> float:
        """What is known to be spent, of all that is given: on a day, by a key, for a job.

        Batches under way count with what they may cost, whatever the day: it is spent when
        they end.
        """
        asked = {"day": day.isoformat() if day else None, "key": key, "job": job}
        given = {name: value for name, value in asked.items() if value is not None}
        return float(self._db.value(_spent(frozenset(given)), _parameters(given)) or 0.0)

    def read(self, tenant: str, *, since: date) -> Sequence[Used]:
        """The sums of a tenant, jobs taken together; the latest day first."""
        c = t.usage.c
        query = (
            sa.select(t.usage)
            .where(c.tenant == tenant, c.day >= since.isoformat())
            .order_by(c.day.desc(), c.key, c.model)
        )
        found: dict[tuple[str, str, str], Used] = {}
        with self._db.read() as connection:
            for row in connection.execute(query).mappings():
                place = (row["day"], row["key"], row["model"])
                found[place] = _joined(found.get(place), _used(row))
        return list(found.values())


def _given(name: str) -> sa.BindParameter[Any]:
    return sa.bindparam(f"{name}_", type_=t.usage.c[name].type)


def _parameters(values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{name}_": value for name, value in values.items()}


# Built once: building them takes longer than carrying them out, and each call waits for that.
_MINE = sa.and_(*(t.usage.c[name] == _given(name) for name in _PLACE))
_FAILURES = sa.select(t.usage.c.failures).where(_MINE)
_COUNT = (
    sa.update(t.usage).where(_MINE).values({name: t.usage.c[name] + _given(name) for name in _SUMS})
)
_COUNT_FAILURE = _COUNT.values(failures=sa.bindparam("failures", type_=t.usage.c.failures.type))
_INSERT = sa.insert(t.usage)


@cache
def _spent(given: frozenset[str]) -> sa.Select[tuple[float]]:
    """The sum of what was spent, and of what is set aside for batches, by the columns given."""
    done, aside = sa.func.sum(t.usage.c.cost_usd), sa.func.sum(t.model_batches.c.estimate_usd)
    sums = (
        sa.select(sa.func.coalesce(one, 0.0))
        .where(*(table.c[name] == _given(name) for name in given if name in table.c))
        .scalar_subquery()
        for one, table in ((done, t.usage), (aside, t.model_batches))
    )
    return sa.select(sum(sums, sa.literal(0.0)))


def add(connection: sa.Connection, day: date, event: Attempt) -> None:
    """Add a call to its sums, within the caller's transaction: writers come one at a time."""
    purpose = event.purpose
    place = {
        "day": day.isoformat(),
        "key": purpose.key,
        "tenant": purpose.tenant,
        "job": purpose.job or NO_JOB,
        "model": event.model,
    }
    more = {
        "calls": 1,
        "input_tokens": event.tokens.input,
        "cached_tokens": event.tokens.cached,
        "output_tokens": event.tokens.output,
        "reasoning_tokens": event.tokens.reasoning,
        "cost_usd": event.cost_usd or 0.0,
        "unpriced": int(event.cost_usd is None),
        "seconds": event.seconds,
    }
    values = {**_parameters(place), **_parameters(more)}
    if event.error is None:
        known = connection.execute(_COUNT, values).rowcount
        failures: dict[str, int] = {}
    else:
        failures = connection.execute(_FAILURES, _parameters(place)).scalar() or {}
        failures = {**failures, event.error: failures.get(event.error, 0) + 1}
        known = connection.execute(_COUNT_FAILURE, {**values, "failures": failures}).rowcount
    if not known:
        connection.execute(_INSERT, {**place, **more, "failures": failures})


def _used(row: sa.RowMapping) -> Used:
    return Used(
        day=date.fromisoformat(row["day"]),
        key=row["key"],
        model=row["model"],
        calls=row["calls"],
        failures=row["failures"],
        tokens=Tokens(
            input=row["input_tokens"],
            output=row["output_tokens"],
            cached=row["cached_tokens"],
            reasoning=row["reasoning_tokens"],
        ),
        cost_usd=None if row["unpriced"] else row["cost_usd"],
        seconds=row["seconds"],
    )


def _joined(one: Used | None, other: Used) -> Used:
    if one is None:
        return other
    codes = one.failures.keys() | other.failures.keys()
    known = one.cost_usd is not None and other.cost_usd is not None
    values: dict[str, Any] = {
        "calls": one.calls + other.calls,
        "failures": {
            code: one.failures.get(code, 0) + other.failures.get(code, 0) for code in codes
        },
        "tokens": one.tokens + other.tokens,
        "cost_usd": (one.cost_usd or 0.0) + (other.cost_usd or 0.0) if known else None,
        "seconds": one.seconds + other.seconds,
    }
    return Used(day=one.day, key=one.key, model=one.model, **values)
