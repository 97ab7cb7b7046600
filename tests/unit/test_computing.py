"""Threads that compute by turns."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from rag.computing import Computing, waiting
from rag.models.engine import Context
from rag.models.policy.consistency import VotingEngine
from rag.models.tasks import AnswerTask, Outcome, Task
from rag.types import Usage

ENOUGH_S = 30


def test_one_thread_computes_at_a_time() -> None:
    computing, inside = Computing(), threading.Lock()

    def compute(_: int) -> None:
        for _ in range(50):
            with computing.turn():
                for _ in range(2):
                    assert inside.acquire(blocking=False)
                    time.sleep(0)  # whoever could come in would do so now
                    inside.release()
                    with waiting():
                        time.sleep(0)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(compute, range(4)))


def test_who_waits_lets_others_have_their_turn() -> None:
    computing, done = Computing(), threading.Event()

    def other() -> None:
        with computing.turn():
            done.set()

    thread = threading.Thread(target=other)
    with computing.turn():
        thread.start()
        assert not done.wait(0.05)
        with waiting(), waiting():  # within what waits already, there is nothing to give up
            assert done.wait(ENOUGH_S)
    thread.join()


def test_a_turn_ends_with_what_fails_in_it() -> None:
    computing = Computing()
    with pytest.raises(ValueError, match="inside"), computing.turn(), waiting():
        raise ValueError("inside")
    with computing.turn(), waiting():
        pass


def test_without_a_turn_there_is_nothing_to_give_up() -> None:
    computing = Computing()
    with computing.turn():
        other = threading.Thread(target=_waits)
        other.start()
        other.join(10)
        assert not other.is_alive()  # it neither gave this turn up nor waited for one


def _waits() -> None:
    with waiting():
        pass


class Computes:
    """An engine whose samples are made by turns."""

    id = "computes"

    def __init__(self, computing: Computing) -> None:
        self._computing = computing

    def supports(self, task: type[Task[Any]]) -> bool:
        return True

    def check(self, context: Context) -> Mapping[str, str]:
        return {}

    def run(self, task: Task[Any], context: Context) -> Outcome[Any]:
        with self._computing.turn():
            return Outcome(value=(), confidence=None, engine=self.id, usage=Usage())


def test_samples_may_take_turns_while_their_sum_is_waited_for() -> None:
    computing = Computing()
    engine = VotingEngine(Computes(computing), samples=3)
    with computing.turn():
        assert engine.run(AnswerTask(passages=(), question="?"), Context()).value == ()
