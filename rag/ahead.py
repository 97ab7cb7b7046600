"""Two halves of a question at once: one core looks words up while another embeds and compares."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from rag.cores import cores
from rag.fuse import Search
from rag.priority import gives_way
from rag.types import Ids
from rag.vectors import Hits


class Ahead:
    """Begins searches whose results are wanted a little later. Thread-safe."""

    def __init__(self) -> None:
        """Begin at most as many at once as it may use cores; threads start when they are needed."""
        self._threads = ThreadPoolExecutor(cores(), "ahead")
        self._lock = threading.Lock()
        self._asking = 0

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Around each question."""
        with self._lock:
            self._asking += 1
        try:
            yield
        finally:
            with self._lock:
                self._asking -= 1

    def begin(self, search: Search, k: int, allowed: Ids | None) -> Search:
        """The same search; what it finds for these values is being found from now on.

        Not where others ask at the same time, who have the other cores, nor for those who work
        on documents, behind questions.
        """
        if self._asking > 1 or gives_way():
            return search
        begun = self._threads.submit(search, k, allowed)

        def found(wanted: int, among: Ids | None) -> Hits:
            # What no thread has come to is done at once by who wants it.
            if wanted != k or among is not allowed or begun.cancel():
                return search(wanted, among)
            return begun.result()

        return found
