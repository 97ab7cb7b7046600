"""Parts of the REST door by themselves: forms, admission, idempotency marks, events, the gate."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from api.admission import Admission
from api.errors import ForeignOrigin, MisdirectedHost, Unauthorized
from api.events import JobWatcher, event
from api.idempotency import fingerprint
from api.multipart import UploadForm
from api.running import is_worth_a_line
from api.security import Gate
from rag.catalog import Catalog
from rag.errors import InvalidRequest, Overloaded, PayloadTooLarge, UnsupportedType
from rag.types import Job
from tests.unit.test_catalog import TENANT, add, make_collection

FIELDS = frozenset({"collection", "metadata"})
TYPE = "multipart/form-data; boundary=XyZ"


def form_of(*parts: tuple[str, bytes], end: bytes = b"--XyZ--\r\n") -> bytes:
    sent = b""
    for head, content in parts:
        disposition = f"Content-Disposition: form-data; {head}\r\n\r\n".encode()
        sent += b"--XyZ\r\n" + disposition + content + b"\r\n"
    return sent + end


def cut(body: bytes, places: Sequence[int]) -> list[bytes]:
    marks = [0, *sorted(min(place, len(body)) for place in places), len(body)]
    return [body[a:b] for a, b in pairwise(marks) if a < b]


def open_form(pieces: Sequence[bytes], content_type: str = TYPE, most_files: int = 1) -> UploadForm:
    return UploadForm(content_type, pieces, file="file", fields=FIELDS, most_files=most_files)


def read_all(form: UploadForm) -> list[tuple[str, bytes]]:
    return [(file.name, b"".join(file.parts)) for file in form.files()]


@given(
    content=st.one_of(
        st.binary(max_size=200),
        st.lists(st.sampled_from([b"\r\n", b"--", b"XyZ", b"\r\n--XyZ", b"x", b"\n"])).map(
            b"".join
        ),
    ).filter(lambda content: b"\r\n--XyZ" not in b"\r\n" + content),
    field=st.text(max_size=30).filter(lambda text: "--XyZ" not in text),
    places=st.lists(st.integers(0, 500), max_size=12),
)
def test_a_form_is_read_the_same_however_it_is_cut(
    content: bytes, field: str, places: list[int]
) -> None:
    body = form_of(
        ('name="file"; filename="a b.txt"', content), ('name="metadata"', field.encode())
    )
    form = open_form(cut(body, places))
    assert read_all(form) == [("a b.txt", content)]
    assert form.fields == {"metadata": field}


@given(
    contents=st.lists(st.binary(max_size=90).filter(lambda data: b"XyZ" not in data), max_size=6),
    taken=st.lists(st.integers(0, 2), min_size=6, max_size=6),
    places=st.lists(st.integers(0, 900), max_size=20),
)
def test_files_of_which_not_all_is_read(
    contents: list[bytes], taken: list[int], places: list[int]
) -> None:
    parts = [(f'name="file"; filename="{n}"', content) for n, content in enumerate(contents)]
    body = form_of(('name="file"; filename="first"', b"x"), *parts)
    form = open_form(cut(body, places), most_files=7)
    whole, again = [], open_form(cut(body, places), most_files=7)
    for file, most in zip(form.files(), [0, *taken], strict=False):
        whole.append(file.name)
        for _ in range(most):
            next(file.parts, None)
    assert whole == [name for name, _ in read_all(again)] == ["first", *map(str, range(len(parts)))]


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_any_bytes_are_a_form_or_a_clear_error(pieces: list[bytes]) -> None:
    form = open_form(pieces)
    with pytest.raises(InvalidRequest):
        read_all(form)


def test_the_file_is_passed_on_as_it_comes() -> None:
    body = form_of(('name="file"; filename="a"', b"x" * 1000))
    asked: list[int] = []

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(body), 500):
            asked.append(start)
            yield body[start : start + 500]

    file = next(UploadForm(TYPE, pieces(), file="file", fields=FIELDS).files())
    assert len(next(file.parts)) > 400
    assert asked == [0]


@pytest.mark.parametrize(
    ("body", "error", "match"),
    [
        (form_of(('name="metadata"', b"x" * 256_001)), PayloadTooLarge, "256 kB"),
        (form_of(*[('name="other"', b"x")]), InvalidRequest, "Unknown part"),
        (form_of(*[('name="metadata"', b"x")] * 2), InvalidRequest, "twice"),
        (form_of(('name="metadata"', b"\xff")), InvalidRequest, "not UTF-8"),
        (form_of(('filename="x"', b"x")), InvalidRequest, "no name"),
        (form_of(*[('name="file"; filename="x"', b"x")] * 2), InvalidRequest, "one file"),
        (b"--XyZ\r\nX: " + b"y" * 20_000, InvalidRequest, "malformed"),
        (b"--XyZ\r\n" + b"X: y\r\n" * 100, InvalidRequest, "malformed"),
    ],
)
def test_a_form_that_is_not_as_it_should_be(
    body: bytes, error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        read_all(open_form([body]))


@pytest.mark.parametrize(
    ("content_type", "error"),
    [
        ("", UnsupportedType),
        ("application/json", UnsupportedType),
        ("multipart/mixed; boundary=a", UnsupportedType),
        ("multipart/form-data", InvalidRequest),
        ("multipart/form-data; boundary=", InvalidRequest),
        ("multipart/form-data; boundary=" + "x" * 999, InvalidRequest),
    ],
)
def test_only_forms_are_forms(content_type: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        open_form([], content_type)


def test_admission_runs_some_queues_some_and_turns_the_rest_away() -> None:
    admission = Admission("tests", running=2, waiting=1)
    done = threading.Event()
    inside = threading.Semaphore(0)

    def work() -> None:
        with admission.place():
            inside.release()
            done.wait(10)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads[:2]:
        thread.start()
    assert inside.acquire(timeout=10)
    assert inside.acquire(timeout=10)
    threads[2].start()
    while admission.inside < 3:
        time.sleep(0.001)
    with pytest.raises(Overloaded, match="tests"), admission.place():
        pass
    assert not inside.acquire(blocking=False)
    done.set()
    for thread in threads:
        thread.join()
    assert admission.inside == 0
    with admission.place():
        assert admission.inside == 1


def test_admission_does_not_wait_for_ever() -> None:
    admission = Admission("tests", running=1, waiting=1, patience_s=0.01)
    with admission.place():
        with pytest.raises(Overloaded, match="No turn"), admission.place():
            pass
        assert admission.inside == 1


def test_a_fingerprint_tells_parts_apart() -> None:
    marks = {
        fingerprint(*parts)
        for parts in (("a", "b"), ("ab",), ("a", None), ("a",), ("a", ""), ("a", "-"), ("", "ab"))
    }
    assert len(marks) == 7
    assert fingerprint("a", b"b") == fingerprint("a", "b")


def test_an_event_is_one_line_of_data() -> None:
    assert event("delta", {"text": "a\nb\r\u2028"}) == (
        b'event: delta\ndata: {"text": "a\\nb\\r\\u2028"}\n\n'
    )


def test_the_gate_knows_its_keys() -> None:
    gate = Gate(["k" * 16, "ü" * 16])
    gate.check("/v1/documents", Headers({"authorization": f"Bearer {'k' * 16}"}))
    gate.check("/v1/health", Headers({}))
    for wrong in ("", "Bearer", f"Bearer {'k' * 15}", f"Digest {'k' * 16}"):
        with pytest.raises(Unauthorized):
            gate.check("/v1/documents", Headers({"authorization": wrong}))


def test_the_gate_without_keys_serves_this_machine() -> None:
    gate = Gate(())
    gate.check("/", Headers({"host": "localhost", "origin": "http://LOCALHOST"}))
    for headers, error in (
        ({"host": "example.com"}, MisdirectedHost),
        ({}, MisdirectedHost),
        ({"host": "localhost", "origin": "http://localhost:3000"}, ForeignOrigin),
        ({"host": "localhost", "origin": ""}, ForeignOrigin),
    ):
        with pytest.raises(error):
            gate.check("/", Headers(headers))


def test_many_watchers_cost_one_reader_and_miss_no_end(catalog: Catalog) -> None:
    """A hundred watch one job; each sees its end, and the catalog is read once a round."""
    document = add(catalog, make_collection(catalog), "a")
    job = catalog.jobs.get(TENANT, document.job_id)
    reads: list[str] = []
    find = catalog.jobs.find

    def counted(job_id: str) -> Job | None:
        reads.append(job_id)
        return find(job_id)

    catalog.jobs.find = counted  # type: ignore[method-assign]

    async def watch(watcher: JobWatcher) -> list[str]:
        return [one.status.value async for one in watcher.watch(job) if one is not None]

    async def run() -> list[list[str]]:
        watcher = JobWatcher(catalog)
        watching = [asyncio.create_task(watch(watcher)) for _ in range(100)]
        await asyncio.sleep(0)
        await asyncio.to_thread(catalog.versions.delete, TENANT, document.id)
        return await asyncio.wait_for(asyncio.gather(*watching), 10)

    seen = asyncio.run(run())
    assert all(states[0] == "queued" and states[-1] == "cancelled" for states in seen)
    assert len(reads) < 20


def test_closing_ends_every_watch(catalog: Catalog) -> None:
    document = add(catalog, make_collection(catalog), "a")
    job = catalog.jobs.get(TENANT, document.job_id)

    async def run() -> list[Job | None]:
        watcher = JobWatcher(catalog)
        states = watcher.watch(job)
        seen = [await anext(states)]
        following = asyncio.create_task(anext(states, None))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        watcher.close()
        seen.append(await asyncio.wait_for(following, 10))
        return seen

    assert asyncio.run(run()) == [job, None]


@pytest.mark.parametrize(
    ("method", "status", "logged"),
    [("GET", 200, False), ("HEAD", 304, False), ("GET", 404, True), ("POST", 202, True)],
)
def test_who_looks_again_and_again_does_not_fill_the_log(
    method: str, status: int, logged: bool
) -> None:
    seen = ("127.0.0.1:5", method, "/v1/jobs/job_1", "1.1", status)
    record = logging.makeLogRecord({"msg": '%s - "%s %s HTTP/%s" %d', "args": seen})
    assert is_worth_a_line(record) is logged
