"""Routing: the cheapest engine that can do a task does it, and a dearer one where it is not sure.

What was asked, in which order and why, goes with the outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic

from rag.errors import BudgetExceeded, ModelError
from rag.models.chat import Tokens
from rag.models.engine import Context, Engine, Forecast
from rag.models.policy.grounds import Grounds
from rag.models.tasks import ExtractTask, Outcome, Task, Value, evidence_in
from rag.models.tokens import estimated_tokens
from rag.types import Decision, Usage

SURE = 0.6
"""Below this confidence the next engine is asked too."""

_PROMPT_TOKENS = 600
_OUTPUT_TOKENS = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An engine, what it asks for so many tokens (``None`` when unknown), and how far it goes.

    ``most_depth`` counts objects and lists in one another: 1 for fields of an object, 2 for
    lists in it, 3 for a list of objects. ``None`` is no limit.
    """

    engine: Engine
    price: Callable[[Tokens], float | None]
    most_passages: int | None = None
    most_tokens: int | None = None
    most_depth: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tried(Generic[Value]):
    """What came of asking an engine. ``founded``: its quotes stand in the passages."""

    engine: str
    estimated_usd: float | None
    outcome: Outcome[Value] | None = None
    founded: bool = False
    doubt: str | None = None
    error: ModelError | None = None

    @property
    def usage(self) -> Usage:
        """What it spent."""
        spent = self.outcome.usage if self.outcome else self.error and self.error.usage
        return spent or Usage()


class RoutingEngine:
    """Runs a task on the cheapest of its engines, and on the next while the last is not sure.

    Of equal prices, and of unknown ones, which come last, the first named goes first.
    """

    def __init__(self, candidates: Sequence[Candidate], *, sure: float = SURE) -> None:
        """Take at least one candidate; an outcome of confidence ``sure`` is taken as it is."""
        self._candidates = candidates
        self._sure = sure

    @property
    def id(self) -> str:
        """All of the engines; an outcome names the one that it is from."""
        return "route:" + ",".join(one.engine.id for one in self._candidates)

    def supports(self, task: type[Task[Any]]) -> bool:
        """Whether any of the engines can run tasks of a type."""
        return any(one.engine.supports(task) for one in self._candidates)

    def check(self, context: Context) -> Mapping[str, str]:
        """What each of the engines says of itself."""
        said = [one.engine.check(context) for one in self._candidates]
        return {name: status for one in said for name, status in one.items()}

    def forecast(self, task: Task[Any], context: Context) -> Forecast:
        """What the engine that is asked first forecasts, with no more room than the others have.

        Those that are asked where it is not sure come on top.
        """
        able = [one for one in self._candidates if one.engine.supports(type(task))]
        if not able:
            return Forecast()
        first, *_ = _cheapest_first(able, _Size.of(task))
        rooms = [one.engine.forecast(task, context).room for one in able]
        known = [room for room in rooms if room is not None]
        forecast = first[1].engine.forecast(task, context)
        return replace(forecast, room=min(known, default=None))

    def run(self, task: Task[Value], context: Context) -> Outcome[Value]:
        """Do the task; of outcomes none of which is sure, the last whose quotes stand somewhere.

        Raises:
            BudgetExceeded: There is no money left; nothing cheaper steps in for that.
            ModelError: What the last engine failed of, when all have failed.
        """
        size = _Size.of(task)
        doing = [one for one in self._candidates if one.engine.supports(type(task))]
        unfit = {one.engine.id: why for one in doing if (why := size.over(one))}
        if len(unfit) == len(doing):  # each does what it can of it, and says so
            unfit = {}
        able = [one for one in doing if one.engine.id not in unfit]
        tried = list(self._try(_cheapest_first(able, size), task, context))
        passed_over = [
            Decision(engine=name, taken=False, reason=why) for name, why in unfit.items()
        ]
        return _chosen(tried, passed_over)

    def _try(
        self,
        priced: Sequence[tuple[float | None, Candidate]],
        task: Task[Value],
        context: Context,
    ) -> Iterator[_Tried[Value]]:
        """Ask one engine after another, until one is sure."""
        grounds = Grounds(task.passages)
        spent = Usage()
        for estimate, candidate in priced:
            one = self._ask(candidate.engine, task, context, grounds)
            spent += one.usage
            if isinstance(one.error, BudgetExceeded):
                one.error.usage = spent
                raise one.error
            yield replace(one, estimated_usd=estimate)
            if one.doubt is None:
                return

    def _ask(
        self, engine: Engine, task: Task[Value], context: Context, grounds: Grounds
    ) -> _Tried[Value]:
        tried: _Tried[Value] = _Tried(engine=engine.id, estimated_usd=None)
        try:
            outcome = engine.run(task, context)
        except ModelError as error:
            return replace(tried, error=error, doubt=error.message)
        quoted = list(evidence_in(outcome.value))
        founded = not quoted or bool(grounds.of(quoted))
        doubt = None
        if not founded:
            doubt = "None of its quotes stands in the passages."
        elif outcome.confidence is not None and outcome.confidence < self._sure:
            doubt = f"Its confidence of {outcome.confidence:.2f} is below {self._sure:.2f}."
        return replace(tried, outcome=outcome, founded=founded, doubt=doubt)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Size:
    """What there is to do: passages, tokens in them, and the depth of the schema."""

    passages: int
    tokens: int
    depth: int

    @classmethod
    def of(cls, task: Task[Any]) -> _Size:
        """The size of a task."""
        return cls(
            passages=len(task.passages),
            tokens=sum(estimated_tokens(passage.text) for passage in task.passages),
            depth=_depth(task.schema) if isinstance(task, ExtractTask) else 0,
        )

    @property
    def spent(self) -> Tokens:
        """About what one call takes, prompt and all."""
        return Tokens(input=self.tokens + _PROMPT_TOKENS, output=_OUTPUT_TOKENS)

    def over(self, candidate: Candidate) -> str | None:
        """Why the task is too large for an engine, or ``None``."""
        for have, most, what in (
            (self.passages, candidate.most_passages, "passages"),
            (self.tokens, candidate.most_tokens, "tokens"),
            (self.depth, candidate.most_depth, "levels of the schema"),
        ):
            if most is not None and have > most:
                return f"{have} {what} are more than it takes ({most})."
        return None


def _cheapest_first(able: Sequence[Candidate], size: _Size) -> list[tuple[float | None, Candidate]]:
    """Candidates with what they ask for; unknown prices come last."""
    priced = [(one.price(size.spent), one) for one in able]
    return sorted(priced, key=lambda pair: (pair[0] is None, pair[0] or 0.0))


def _chosen(tried: Sequence[_Tried[Value]], passed_over: Sequence[Decision]) -> Outcome[Value]:
    """The outcome to give, with all that was decided and spent on the way to it."""
    spent = sum((one.usage for one in tried), Usage())
    done = [one for one in tried if one.outcome]
    taken = next((one for one in reversed(done) if one.founded), done[-1] if done else None)
    if taken is None or taken.outcome is None:
        error = next((one.error for one in reversed(tried) if one.error), None)
        error = error or ModelError("No engine can do this.")
        error.usage = spent
        raise error
    asked = [
        Decision(
            engine=one.engine,
            taken=one is taken,
            reason=one.doubt or "It is sure enough.",
            estimated_usd=one.estimated_usd,
            confidence=one.outcome.confidence if one.outcome else None,
        )
        for one in tried
    ]
    notes = [f"{one.engine} was not enough: {one.doubt}" for one in tried if one is not taken]
    return replace(
        taken.outcome,
        usage=spent,
        attempts=sum(one.outcome.attempts for one in tried if one.outcome),
        notes=(*notes, *taken.outcome.notes),
        decisions=(*passed_over, *asked, *taken.outcome.decisions),
    )


def _depth(schema: Any) -> int:
    """Objects and lists in one another, as far as they are written out."""
    inner: list[Any] = []
    if isinstance(schema, Mapping):
        inner = list(schema.values())
    elif isinstance(schema, list):
        inner = schema
    here = isinstance(schema, Mapping) and bool({"properties", "items"} & schema.keys())
    return here + max(map(_depth, inner), default=0)
