"""Around one call: budget, limit, retry, meter.

This is the only place that repeats a call. What may pass (a full provider, a lost connection)
is tried again, a full provider until the deadline and a silent one a few times; what will not
(a refused key, a wrong request) is not.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

from rag.errors import MalformedReply, ModelError, ModelTimeout, ModelUnavailable, RateLimited
from rag.models.budget import Budget, reserved
from rag.models.chat import (
    ChatBackend,
    ChatReply,
    ChatRequest,
    StreamingBackend,
    Tell,
    Tokens,
)
from rag.models.flights import Flights
from rag.models.limits import Limits
from rag.models.observe import Attempt, Event, Observer, Purpose
from rag.models.pricing import Pricing
from rag.models.tokens import TokenEstimate
from rag.trace import Attribute, NoTracer, Tracer, span
from rag.types import Usage

_NO_TRACER = NoTracer()
DEADLINE_S = 120.0
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 20.0
# A provider that asks for more patience than this is told no: the caller may have another.
_LONGEST_RETRY_AFTER_S = 30.0
_SHORTEST_CALL_S = 0.05
# Who comes to call only so much later looks whether somebody else has the reply by now: a process
# that was stopped meanwhile may have been taken for dead, and another does its work.
_LOOK_AGAIN_S = 5.0
# What answers with nothing of sense may do so every time, and be paid for it every time.
_MOST_MALFORMED = 1
# They have the schema constrain what is written, and do not show it to the model.
_CONSTRAINED = ("compatible:", "local:")
# Somebody waits for the answer, and another engine may have it sooner.
_MOST_UNREACHABLE = 4


Known: TypeAlias = Callable[[], ChatReply | None]
"""Looks up whether there is a recorded reply to a call by now."""
Keep: TypeAlias = Callable[[ChatReply, Callable[[], None]], None]
"""Keeps a reply; the function it is handed writes down what the reply took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metered:
    """What calls of one model have come to. ``cost_usd`` is ``None`` once a price is unknown."""

    calls: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)
    tokens: Tokens = field(default_factory=Tokens)
    cost_usd: float | None = 0.0
    seconds: float = 0.0


class Meter:
    """Counts what was called, by model. Thread-safe."""

    def __init__(self) -> None:
        self._by_model: dict[str, Metered] = {}
        self._lock = threading.Lock()

    def tell(self, event: Event) -> None:
        """Count a call."""
        if not isinstance(event, Attempt):
            return
        with self._lock:
            old = self._by_model.get(event.model, Metered())
            failures, error = dict(old.failures), event.error
            if error is not None:
                failures[error] = failures.get(error, 0) + 1
            known = old.cost_usd is not None and event.cost_usd is not None
            self._by_model[event.model] = Metered(
                calls=old.calls + 1,
                failures=failures,
                tokens=old.tokens + event.tokens,
                cost_usd=(old.cost_usd or 0.0) + (event.cost_usd or 0.0) if known else None,
                seconds=old.seconds + event.seconds,
            )

    def read(self) -> Mapping[str, Metered]:
        """The counts by model, as they are now."""
        with self._lock:
            return dict(self._by_model)


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """A reply and what it took. ``attempts`` counts calls, ``spent`` adds up all of them."""

    reply: ChatReply
    attempts: int
    spent: Usage
    seconds: float


class _Heard:
    """Hands a reply's text on, and knows whether there was any."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self.anything = False

    def __call__(self, text: str) -> None:
        self.anything = True
        self._tell(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """A call, whatever attempts it takes."""

    request: ChatRequest
    budgets: Sequence[Budget]
    purpose: Purpose
    keep: Keep
    known: Known
    heard: _Heard | None
    since: float


class Calls:
    """Calls one backend within limits and budgets. Thread-safe."""

    def __init__(
        self,
        backend: ChatBackend,
        *,
        limits: Limits,
        meter: Observer,
        pricing: Pricing,
        tracer: Tracer = _NO_TRACER,
        deadline_s: float = DEADLINE_S,
        flights: Flights[ChatReply] | None = None,
    ) -> None:
        """``meter`` is told of every call; ``deadline_s`` bounds one with all its repeating.

        ``flights`` are the calls under way of all who keep replies in the same place.
        """
        self.backend = backend
        self.flights = flights or Flights()
        self.meter = meter
        self.tokens = TokenEstimate(counts_schemas=not backend.id.startswith(_CONSTRAINED))
        self._limits = limits
        self._pricing = pricing
        self._tracer = tracer
        self._deadline_s = deadline_s

    def call(
        self,
        request: ChatRequest,
        *,
        budgets: Sequence[Budget] = (),
        purpose: Purpose | None = None,
        keep: Keep = lambda _, count: count(),
        known: Known = lambda: None,
        since: float | None = None,
        tell: Tell | None = None,
    ) -> Called:
        """The reply, after as many attempts as fit into the deadline.

        ``keep`` keeps it, and writes down with it what it took; ``known`` is asked after a long
        wait whether somebody else has kept one, counted from ``since``, when it was asked last (by
        ``time.monotonic()``; now when not given). ``tell`` is handed its text as
        it comes, where the backend streams; once it was, nothing is tried again.

        Raises:
            BudgetExceeded: There is no money left for it.
            ModelError: What the last attempt failed of.
        """
        wanted = _Wanted(
            request=request,
            budgets=budgets,
            purpose=purpose or Purpose(),
            keep=keep,
            known=known,
            since=time.monotonic() if since is None else since,
            heard=_Heard(tell) if tell else None,
        )
        with span(self._tracer, "call", model=self.backend.id, **_told(wanted.purpose)) as one:
            called = self._repeated(wanted)
            one.tell(
                attempts=called.attempts,
                finish=called.reply.finish.value,
                input_tokens=called.reply.tokens.input,
                output_tokens=called.reply.tokens.output,
                cost_usd=called.spent.cost_usd,
            )
            return called

    def price(self, tokens: Tokens) -> float | None:
        """US dollars for so many tokens of the model; ``None`` when its price is not known."""
        return self._pricing.cost(self.backend.id, tokens)

    def _repeated(self, wanted: _Wanted) -> Called:
        started = time.monotonic()
        deadline = started + self._deadline_s
        spent = Usage()
        attempts = malformed = unreachable = 0
        pause = _FIRST_PAUSE_S
        try:
            while True:
                said, used = self._placed(wanted, deadline)
                attempts += 1
                spent += used
                if isinstance(said, ChatReply):
                    took = time.monotonic() - started
                    return Called(reply=said, attempts=attempts, spent=spent, seconds=took)
                malformed += isinstance(said, MalformedReply)
                unreachable += not isinstance(said, RateLimited)
                wait = _wait(said, pause)
                late = time.monotonic() + wait + _SHORTEST_CALL_S > deadline
                vain = malformed > _MOST_MALFORMED or unreachable == _MOST_UNREACHABLE
                if late or vain or (wanted.heard and wanted.heard.anything):
                    raise said
                time.sleep(wait)
                pause = min(pause * 2, _LONGEST_PAUSE_S)
        except ModelError as error:
            error.usage = spent
            raise

    def _placed(self, wanted: _Wanted, deadline: float) -> tuple[ChatReply | ModelError, Usage]:
        """One attempt, once there is money and a place for it, and what it took.

        Money is set aside for each attempt anew: one that failed may have cost it.
        """
        request, budgets = wanted.request, wanted.budgets
        most = Tokens(input=self.tokens.tokens(request), output=request.max_output_tokens)
        estimate = self._pricing.cost(self.backend.id, most) if budgets else 0.0
        tokens = most.input + most.output
        with reserved(budgets, estimate) as cost, self._limits.place(tokens, deadline=deadline):
            late = time.monotonic() - wanted.since > _LOOK_AGAIN_S
            if late and (found := wanted.known()) is not None:
                return found, Usage()
            said, attempt = self._once(wanted, deadline)
            cost.usd = attempt.cost_usd
            cost.write = partial(self.meter.tell, attempt)
            if isinstance(said, ChatReply):
                cost.write = partial(wanted.keep, said, cost.write)
        taken = attempt.tokens
        used = Usage(
            input_tokens=taken.input, output_tokens=taken.output, cost_usd=attempt.cost_usd
        )
        return said, used

    def _once(self, wanted: _Wanted, deadline: float) -> tuple[ChatReply | ModelError, Attempt]:
        """What one attempt brings, and what the meter is to be told of it."""
        model = self.backend.id
        began = time.monotonic()
        if (left := deadline - began) < _SHORTEST_CALL_S:
            raise ModelTimeout(f"{model} did not answer in time.")
        try:
            said: ChatReply | ModelError = self._sent(wanted, left)
        except ModelError as error:
            said = error
        tokens, cost = self._taken(wanted.request, said)
        return said, Attempt(
            model=model,
            purpose=wanted.purpose,
            seconds=time.monotonic() - began,
            finish=said.finish if isinstance(said, ChatReply) else None,
            tokens=tokens,
            cost_usd=cost,
            error=said.code if isinstance(said, ModelError) else None,
        )

    def _sent(self, wanted: _Wanted, timeout: float) -> ChatReply:
        if wanted.heard is not None and isinstance(self.backend, StreamingBackend):
            return self.backend.stream(wanted.request, timeout=timeout, tell=wanted.heard)
        return self.backend.complete(wanted.request, timeout=timeout)

    def _taken(
        self, request: ChatRequest, said: ChatReply | ModelError
    ) -> tuple[Tokens, float | None]:
        """The tokens of an attempt, and its cost, ``None`` where nobody knows."""
        if isinstance(said, ChatReply):
            self.tokens.learn(request, said.tokens.input)
            return said.tokens, self._pricing.cost(self.backend.id, said.tokens)
        if said.usage is not None:
            tokens = Tokens(input=said.usage.input_tokens, output=said.usage.output_tokens)
            return tokens, self._pricing.cost(self.backend.id, tokens)
        return Tokens(), None if said.may_cost else 0.0


def _told(purpose: Purpose) -> dict[str, Attribute]:
    """What a trace says of a call's purpose."""
    prompt = purpose.prompt
    return {
        "prompt": prompt.name if prompt else None,
        "prompt_version": prompt.version if prompt else None,
        "repair": purpose.repair,
        "job": purpose.job,
    }


def _wait(error: ModelError, pause: float) -> float:
    """Seconds until the next attempt: jittered, and no less than the provider asks for.

    For ever where another attempt would bring the same.
    """
    if not isinstance(error, ModelUnavailable):
        return float("inf")
    wait = pause * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
    asked = error.retry_after if isinstance(error, RateLimited) else None
    if asked is None:
        return wait
    return float("inf") if asked > _LONGEST_RETRY_AFTER_S else max(wait, asked)
