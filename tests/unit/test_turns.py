from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.turns import ELDEST_EVERY, Turns

ENOUGH_S = 30


def order_of(wanted: Mapping[str, int], late: Mapping[str, int]) -> list[str]:
    """Whose turns came when, on one place; the late ones come in the middle of the first turn."""
    turns, order = Turns(places=1), list[str]()

    def take(who: str, count: int) -> None:
        for _ in range(count):
            with turns.turn(who):
                order.append(who)

    def begin(all_of: Mapping[str, int]) -> list[threading.Thread]:
        threads = [threading.Thread(target=take, args=one) for one in all_of.items()]
        for thread in threads:
            before = turns.waiting
            thread.start()
            wait_for(turns, before + 1)
        return threads

    with turns.turn("first"):
        threads = begin(wanted)
    # Nobody can be caught in the middle of the others' turns but by one who has the place.
    with turns.turn("second"):
        threads += begin(late)
    for thread in threads:
        thread.join(ENOUGH_S)
    return order


def wait_for(turns: Turns, count: int) -> None:
    deadline = time.monotonic() + ENOUGH_S
    while turns.waiting < count:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_short_ones_overtake() -> None:
    order = order_of({f"long{k}": 30 for k in range(4)}, {"short": 3})
    last_of_short = len(order) - 1 - order[::-1].index("short")
    first_of_short = order.index("short")
    # No long one has more turns between than the short one, but for the eldest's.
    between = order[first_of_short:last_of_short]
    assert len(between) <= 4 * 3 * ELDEST_EVERY / (ELDEST_EVERY - 1) + 3
    assert order.count("long0") == 30


@settings(deadline=None, max_examples=15)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.integers(1, 8))
def test_everybody_gets_all_their_turns(counts: list[int], late: int) -> None:
    wanted = {f"early{k}": count for k, count in enumerate(counts)}
    order = order_of(wanted, {"late": late})
    assert {who: order.count(who) for who in order} == {**wanted, "late": late}


def test_nobody_waits_for_ever() -> None:
    """A new one always waits, and is to be served before whoever was; the eldest comes on."""
    turns = Turns(places=1)
    served = threading.Event()

    def take_two() -> None:
        for _ in range(2):
            with turns.turn("old"):
                pass
        served.set()

    threads = [threading.Thread(target=take_two)]

    def come(number: int) -> None:
        """Have a turn, and before it ends see to it that another new one waits."""
        with turns.turn(f"new{number}"):
            if not served.is_set() and number < 4 * ELDEST_EVERY:
                before = turns.waiting
                threads.append(threading.Thread(target=come, args=(number + 1,)))
                threads[-1].start()
                wait_for(turns, before + 1)
        came.append(number)

    came: list[int] = []
    with turns.turn("first"):
        for thread in (threads[0], threading.Thread(target=come, args=(0,))):
            before = turns.waiting
            thread.start()
            wait_for(turns, before + 1)
    assert served.wait(ENOUGH_S)
    turns_before_served = len(came)
    for thread in threads:
        thread.join(ENOUGH_S)
    assert turns_before_served <= 3 * ELDEST_EVERY


def test_a_wait_can_be_ended() -> None:
    stopping = threading.Event()
    left: list[BaseException] = []

    def leave() -> None:
        if stopping.is_set():
            raise InterruptedError

    turns = Turns(places=1, leave=leave)

    def take() -> None:
        with pytest.raises(InterruptedError) as caught, turns.turn("waits"):
            pass
        left.append(caught.value)

    thread = threading.Thread(target=take)
    with turns.turn("has it"):
        thread.start()
        wait_for(turns, 1)
        stopping.set()
        turns.wake()
        thread.join(ENOUGH_S)
    assert left
    assert not turns.waiting
