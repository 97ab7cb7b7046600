from __future__ import annotations

import threading

import pytest

from rag.locks import ReadWriteLock


def test_readers_share_and_a_writer_is_alone() -> None:
    lock, together = ReadWriteLock(), threading.Barrier(3, timeout=10)
    inside, most_with_writer = [0], [0]

    def read() -> None:
        with lock.reading():
            together.wait()  # passes only if all three are inside at once

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()

    def write() -> None:
        for _ in range(500):
            with lock.writing():
                inside[0] += 1
                most_with_writer[0] = max(most_with_writer[0], inside[0])
                inside[0] -= 1

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert most_with_writer == [1]
    assert inside == [0]


def test_a_waiting_writer_goes_before_new_readers() -> None:
    lock, order = ReadWriteLock(), []
    first_in, first_out = threading.Event(), threading.Event()

    def first() -> None:
        with lock.reading():
            first_in.set()
            first_out.wait(10)

    def write() -> None:
        with lock.writing():
            order.append("writer")

    def second() -> None:
        with lock.reading():
            order.append("reader")

    threads = [threading.Thread(target=first)]
    threads[0].start()
    first_in.wait(10)
    threads.append(threading.Thread(target=write))
    threads[1].start()
    while not lock._writers_waiting:
        pass
    threads.append(threading.Thread(target=second))
    threads[2].start()
    first_out.set()
    for thread in threads:
        thread.join()
    assert order == ["writer", "reader"]


def test_an_exception_inside_releases_it() -> None:
    lock = ReadWriteLock()
    for hold in (lock.reading, lock.writing):
        with pytest.raises(KeyError), hold():
            raise KeyError
    with lock.writing():
        pass
    assert (lock._readers, lock._writing) == (0, False)
