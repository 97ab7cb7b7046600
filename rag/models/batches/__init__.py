"""Calls that can wait: providers take many at once, for half the price, within a day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from rag.models.chat import ChatReply, ChatRequest

Result: TypeAlias = tuple[str, ChatReply | str]
"""What came of a request, by its content key: a reply, or the code of an error."""

EXPIRED = "batch_expired"
CANCELLED = "batch_cancelled"
LOST = "batch_lost"
"""Codes of requests that no model has read; all others are codes of `ModelError`s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A batch of the provider's account; ``marked`` as ours, or maybe another application's."""

    id: str
    marked: bool


class BatchBackend(Protocol):
    """One model of a provider, asked for many replies at once. Thread-safe."""

    @property
    def id(self) -> str:
        """The model's name under which calls are reported."""
        ...

    def submit(self, mark: str, requests: Mapping[str, ChatRequest]) -> str:
        """Hand in requests by their content keys; returns the provider's id of the batch.

        Raises:
            ModelError: The provider did not take them.
        """
        ...

    def find(self, mark: str, *, since: float, until: float, count: int) -> Sequence[Found]:
        """What may be a batch that was handed in, should its id have been lost.

        Args:
            mark: What it was handed in with.
            since: Not before, by ``time.time()``.
            until: Not after.
            count: Of how many requests.
        """
        ...

    def results(self, batch_id: str) -> Iterator[Result] | None:
        """What came of a batch, in any order; ``None`` while it is under way.

        Requests that nothing is said of were never read.
        """
        ...

    def cancel(self, batch_id: str) -> None:
        """Have the provider stop; what has been replied until then is still handed out."""
        ...

    def forget(self, batch_id: str) -> None:
        """Have the provider delete what it keeps of a batch that has ended."""
        ...
