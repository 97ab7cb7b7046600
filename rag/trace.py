"""Spans of work, for those who trace it: names, numbers and times, never text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol, TypeAlias

from rag.errors import IbidemError

Attribute: TypeAlias = str | int | float | None
"""What may be told of work: names that we gave, and numbers; ``None`` is not told."""


class Span(Protocol):
    """A stretch of work that has begun."""

    def within(self) -> AbstractContextManager[None]:
        """Until leaving, spans that this thread begins are parts of this one."""
        ...

    def tell(self, **attributes: Attribute) -> None:
        """Say something of it. Text of documents, questions and prompts has no place here."""
        ...

    def end(self, error: str | None = None) -> None:
        """It is over; ``error`` is the code of what it failed of."""
        ...


class Tracer(Protocol):
    """Takes note of spans. Thread-safe."""

    def begin(self, name: str, **attributes: Attribute) -> Span:
        """Begin a part of the span that this thread is within."""
        ...


class NoTracer:
    """Takes note of nothing."""

    def begin(self, name: str, **attributes: Attribute) -> Span:
        """Begin what nobody sees."""
        return _NO_SPAN


class _NoSpan:
    def within(self) -> AbstractContextManager[None]:
        return nullcontext()

    def tell(self, **attributes: Attribute) -> None:
        pass

    def end(self, error: str | None = None) -> None:
        pass


_NO_SPAN = _NoSpan()


@contextmanager
def begun(tracer: Tracer, name: str, **attributes: Attribute) -> Iterator[Span]:
    """A span that ends on leaving. For work that goes on in several threads, one by one."""
    one = tracer.begin(name, **attributes)
    error: str | None = None
    try:
        yield one
    except BaseException as reason:
        error = reason.code if isinstance(reason, IbidemError) else type(reason).__name__
        raise
    finally:
        one.end(error)


@contextmanager
def span(tracer: Tracer, name: str, **attributes: Attribute) -> Iterator[Span]:
    """A span that ends on leaving, with all that this thread begins meanwhile as its parts."""
    with begun(tracer, name, **attributes) as one, one.within():
        yield one
