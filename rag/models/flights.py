"""The same work asked for several times at once is done once."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

from rag.errors import BudgetExceeded, ModelError

Made = TypeVar("Made")


class Flights(Generic[Made]):
    """Work under way, by key. Thread-safe."""

    def __init__(self) -> None:
        self._under_way: dict[Hashable, Future[Made | None]] = {}
        self._lock = threading.Lock()

    def once(self, key: Hashable, make: Callable[[], Made]) -> tuple[Made, bool]:
        """What is made for a key, and whether it was made here or by another meanwhile.

        Raises:
            ModelError: What this failed of, or the other: all who wait fail together, but for
                want of money, as each has a budget of its own.
        """
        while True:
            with self._lock:
                theirs = self._under_way.get(key)
                if theirs is None:
                    mine = self._under_way[key] = Future()
            if theirs is None:
                return self._make(key, mine, make), True
            try:
                made = theirs.result()
            except ModelError as error:
                raise copy.copy(error) from error
            if made is not None:
                return made, False

    def _make(self, key: Hashable, future: Future[Made | None], make: Callable[[], Made]) -> Made:
        made, failed = None, None
        try:
            made = make()
            return made
        except BudgetExceeded:
            raise
        except ModelError as error:
            failed = copy.copy(error)
            failed.usage = None  # it is told by the one who spent it
            raise
        finally:
            with self._lock:
                del self._under_way[key]
            if failed is None:
                future.set_result(made)
            else:
                future.set_exception(failed)
