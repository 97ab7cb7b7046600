"""Around one call: budget, limit, retry, meter.

This is the only place that repeats a call. What may pass (a full provider, a lost connection)
is tried again until the deadline; what will not (a refused key, a wrong request) is not.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rag.errors import ModelError, ModelTimeout, ModelUnavailable, RateLimited
from rag.models.budget import Budget, reserved
from rag.models.chat import ChatBackend, ChatReply, ChatRequest, Tokens
from rag.models.limits import Limits
from rag.models.observe import Attempt, Event, Observer, Purpose
from rag.models.pricing import Pricing
from rag.models.tokens import TokenEstimate
from rag.trace import Attribute, NoTracer, Tracer, span

_NO_TRACER = NoTracer()
DEADLINE_S = 120.0
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 20.0
# A provider that asks for more patience than this is told no: the caller may have another.
_LONGEST_RETRY_AFTER_S = 30.0
_SHORTEST_CALL_S = 0.05


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
    """A reply and what it took. ``attempts`` counts calls, ``cost_usd`` that of the reply."""

    reply: ChatReply
    attempts: int
    cost_usd: float | None
    seconds: float


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
    ) -> None:
        """``meter`` is told of every call; ``deadline_s`` bounds one with all its repeating."""
        self.backend = backend
        self.meter = meter
        self.tokens = TokenEstimate()
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
    ) -> Called:
        """The reply, after as many attempts as fit into the deadline.

        Raises:
            BudgetExceeded: There is no money left for it.
            ModelError: What the last attempt failed of.
        """
        purpose = purpose or Purpose()
        with span(self._tracer, "call", model=self.backend.id, **_told(purpose)) as one:
            called = self._repeated(request, budgets, purpose)
            one.tell(
                attempts=called.attempts,
                finish=called.reply.finish.value,
                input_tokens=called.reply.tokens.input,
                output_tokens=called.reply.tokens.output,
                cost_usd=called.cost_usd,
            )
            return called

    def _repeated(
        self, request: ChatRequest, budgets: Sequence[Budget], purpose: Purpose
    ) -> Called:
        started = time.monotonic()
        deadline = started + self._deadline_s
        most = Tokens(input=self.tokens.tokens(request), output=request.max_output_tokens)
        estimate = self._pricing.cost(self.backend.id, most) if budgets else 0.0
        attempts = 0
        pause = _FIRST_PAUSE_S
        with reserved(budgets, estimate) as cost:
            while True:
                attempts += 1
                try:
                    with self._limits.place(most.input + most.output, deadline=deadline):
                        reply, spent = self._once(request, deadline, purpose)
                    cost.usd = spent or 0.0
                    return Called(
                        reply=reply,
                        attempts=attempts,
                        cost_usd=spent,
                        seconds=time.monotonic() - started,
                    )
                except ModelUnavailable as error:
                    wait = _wait(error, pause)
                    if time.monotonic() + wait + _SHORTEST_CALL_S > deadline:
                        raise
                time.sleep(wait)
                pause = min(pause * 2, _LONGEST_PAUSE_S)

    def _once(
        self, request: ChatRequest, deadline: float, purpose: Purpose
    ) -> tuple[ChatReply, float | None]:
        model = self.backend.id
        began = time.monotonic()
        if (left := deadline - began) < _SHORTEST_CALL_S:
            raise ModelTimeout(f"{model} did not answer in time.")
        try:
            reply = self.backend.complete(request, timeout=left)
        except ModelError as error:
            took = time.monotonic() - began
            failed = Attempt(model=model, purpose=purpose, seconds=took, error=error.code)
            self.meter.tell(failed)
            raise
        self.tokens.learn(request, reply.tokens.input)
        cost = self._pricing.cost(model, reply.tokens)
        self.meter.tell(
            Attempt(
                model=model,
                purpose=purpose,
                seconds=time.monotonic() - began,
                finish=reply.finish,
                tokens=reply.tokens,
                cost_usd=cost,
            )
        )
        return reply, cost


def _told(purpose: Purpose) -> dict[str, Attribute]:
    """What a trace says of a call's purpose."""
    prompt = purpose.prompt
    return {
        "prompt": prompt.name if prompt else None,
        "prompt_version": prompt.version if prompt else None,
        "repair": purpose.repair,
        "job": purpose.job,
    }


def _wait(error: ModelUnavailable, pause: float) -> float:
    """Seconds until the next attempt: jittered, and no less than the provider asks for."""
    wait = pause * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
    asked = error.retry_after if isinstance(error, RateLimited) else None
    if asked is None:
        return wait
    return float("inf") if asked > _LONGEST_RETRY_AFTER_S else max(wait, asked)
