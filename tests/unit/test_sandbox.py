from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ingest.parse import Limits, parse
from ingest.parse.parts import (
    FrameError,
    Part,
    assemble,
    part_from_frame,
    part_to_frame,
)
from ingest.parse.sandbox import ChildPool
from rag.errors import (
    ConfigurationError,
    CorruptDocument,
    EmptyDocument,
    MissingExtra,
    NotFound,
    ParserLimit,
)
from rag.types import Block, BlockKind, Page
from tests.pdfs import line, pdf

PRELUDE = """
import os, resource, signal, sys, time
from ingest.parse.parts import read_frame, write_frame
from ingest.parse import child
read, out = sys.stdin.buffer, sys.stdout.buffer
request = read_frame(read, 1 << 20)[0]
"""


@pytest.fixture
def pools() -> Iterator[list[ChildPool]]:
    made: list[ChildPool] = []
    yield made
    for pool in made:
        pool.close()


def pool_of(pools: list[ChildPool], script: str) -> ChildPool:
    """Children that do what ``script`` says instead of parsing."""
    pools.append(ChildPool(idle=1, command=(sys.executable, "-c", PRELUDE + script)))
    return pools[-1]


@pytest.mark.parametrize(
    ("script", "error", "says"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", CorruptDocument, "crashed"),
        ("os.abort()", ParserLimit, "memory"),
        ("os.kill(os.getpid(), signal.SIGTRAP)", ParserLimit, "memory"),
        ("os.kill(os.getpid(), signal.SIGKILL)", ParserLimit, "memory"),
        ("sys.exit(3)", CorruptDocument, "crashed"),
        ("os.close(1); time.sleep(60)", ParserLimit, "longer than"),
        ("time.sleep(60)", ParserLimit, "longer than"),
        ("child._limit_cpu(1)\nwhile True: pass", ParserLimit, "processor time"),
        (
            "out.write(b'\\x10\\0\\0\\0\\0\\0\\0\\0' + b'x' * 16); out.flush()",
            ParserLimit,
            "larger",
        ),
        ("out.write(b'\\xff' * 4096); out.flush()", ParserLimit, "larger"),
        ("while True: write_frame(out, {'part': {}}, b'x' * 10000)", ParserLimit, "larger"),
        ("while True: write_frame(out, {})", ParserLimit, "larger"),
        ("while True: write_frame(out, {'part': {'title': 'x' * 10000}})", ParserLimit, "larger"),
        (
            "cells = [['table', 0, 1, 0, [[0, 0, 0, 1]] * 1000]]\n"
            "while True: write_frame(out, {'part': {'blocks': cells}})",
            ParserLimit,
            "larger",
        ),
        ("write_frame(out, {'error': {'class': 'SystemExit'}})", CorruptDocument, "no sense"),
        ("write_frame(out, {'error': 7})", CorruptDocument, "no sense"),
        *(
            (f"write_frame(out, {{'error': {{'class': {name!r}, 'message': 'm'}}}})", error, says)
            for name, error, says in [
                ("EmptyDocument", EmptyDocument, "m"),
                ("MissingExtra", MissingExtra, "m"),
                ("NotFound", CorruptDocument, "no sense"),  # would cancel the job
                ("StorageError", CorruptDocument, "no sense"),  # would be tried for ever
                ("IbidemError", CorruptDocument, "no sense"),
            ]
        ),
    ],
)
def test_misbehaving_children(
    pools: list[ChildPool], script: str, error: type[Exception], says: str
) -> None:
    pool = pool_of(pools, script)
    limits = Limits(wall_s=8 if "cpu" in script else 1.5, cpu_s=1, output_bytes=1 << 20)
    with pytest.raises(error, match=says):
        pool.run({}, limits)


def test_a_page_that_is_not_there_is_not_found(pools: list[ChildPool]) -> None:
    script = "write_frame(out, {'error': {'class': 'NotFound', 'message': 'no page 9'}})"
    with pytest.raises(NotFound, match="no page 9"):
        pool_of(pools, script).run({"do": "render"}, Limits())


def test_the_header_of_one_frame_is_bounded_below_all_output(pools: list[ChildPool]) -> None:
    script = "write_frame(out, {'part': {'title': 'x' * (33 << 20)}})"
    with pytest.raises(ParserLimit, match="larger"):
        pool_of(pools, script).run({}, Limits())


def test_the_longest_text_passes_in_one_part(pools: list[ChildPool]) -> None:
    script = (
        "from ingest.parse.parts import Part, part_to_frame\n"
        "write_frame(out, *part_to_frame(Part(text='\\U0001f40b' * 20_000_000)))\n"
        "write_frame(out, {'done': 1})"
    )
    [frame] = pool_of(pools, script).run({}, Limits())
    assert part_from_frame(*frame).text == "\U0001f40b" * 20_000_000


def test_the_whole_process_group_is_killed(pools: list[ChildPool], tmp_path: Path) -> None:
    note = tmp_path / "pid"
    script = f"pid = os.fork()\nif pid: open({str(note)!r}, 'w').write(str(pid))\ntime.sleep(60)"
    with pytest.raises(ParserLimit, match="longer"):
        pool_of(pools, script).run({}, Limits(wall_s=1.5))
    assert gone(int(note.read_text()))


def gone(pid: int) -> bool:
    """Whether a process ends within ten seconds (a zombie that nobody reaps has ended)."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_children_inherit_neither_secrets_nor_files(
    pools: list[ChildPool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IBIDEM_API_KEYS", "hidden")
    script = (
        "write_frame(out, {'seen': [sorted(os.environ), sorted(os.listdir('/proc/self/fd')),"
        " os.getcwd(), os.getpgid(0) == os.getpid(),"
        " os.getsid(0) == os.getsid(os.getppid())]}); write_frame(out, {'done': 1})"
    )
    with (tmp_path / "open").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        [(header, _)] = pool_of(pools, script).run({}, Limits())
    names, files, folder, leads_group, in_our_session = header["seen"]
    assert not [name for name in names if "IBIDEM" in name or "KEY" in name]
    assert len(files) <= 4  # its three streams and the listing itself
    assert (folder, leads_group, in_our_session) == ("/", True, True)


def test_children_write_no_files_and_dump_no_core(pools: list[ChildPool], tmp_path: Path) -> None:
    target = tmp_path / "out"
    script = (
        "child._harden(); signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"file = os.open({str(target)!r}, os.O_WRONLY | os.O_CREAT)\n"
        "try: wrote = os.write(file, b'x')\n"
        "except OSError: wrote = 0\n"
        "core = resource.getrlimit(resource.RLIMIT_CORE)[1]\n"
        "write_frame(out, {'seen': [wrote, core]}); write_frame(out, {'done': 1})"
    )
    [(header, _)] = pool_of(pools, script).run({}, Limits())
    assert header["seen"] == [0, 0]


def test_a_fault_behind_another_document_is_tried_again(
    pools: list[ChildPool], tmp_path: Path
) -> None:
    script = "write_frame(out, {'done': 1}); read_frame(read, 1 << 20); os.abort()"
    pool = pool_of(pools, script)
    assert pool.run({}, Limits()) == []
    assert pool.run({}, Limits()) == []  # the kept child aborts, a fresh one does not


def test_a_broken_installation_is_not_blamed_on_the_document(pools: list[ChildPool]) -> None:
    script = "sys.modules['ingest.parse.text'] = None\nchild._serve(request, b'', out)"
    request = {"do": "parse", "path": "/nowhere", "media_type": "text/plain", "characters": 0}
    with pytest.raises(ConfigurationError, match="cannot be loaded"):
        pool_of(pools, script).run(request, Limits())


def test_many_threads(tmp_path: Path) -> None:
    paths = []
    for k in range(6):
        paths.append(tmp_path / f"{k}.txt")
        paths[-1].write_text(f"text {k}")
        paths.append(tmp_path / f"{k}.pdf")
        paths[-1].write_bytes(pdf(line(72, 700, f"page {k}")))
    paths.append(tmp_path / "empty.txt")
    paths[-1].write_text(" ")

    def read(path: Path) -> str:
        try:
            return parse(path, "application/pdf" if path.suffix == ".pdf" else "text/plain").text
        except EmptyDocument:
            return "empty"

    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(read, paths * 5))
    expected = [f"{kind} {k}" for k in range(6) for kind in ("text", "page")]
    assert found == [*expected, "empty"] * 5


def test_pdfium_out_of_memory_is_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf(zlib.compress(bytes(400 << 20), 1)))
    with pytest.raises(ParserLimit, match="300 MB of memory"):
        parse(path, "application/pdf", limits=Limits(memory_bytes=300 << 20))
    path.write_bytes(pdf(line(72, 700, "page")))
    assert parse(path, "application/pdf").text == "page"


def test_a_missing_file_is_no_damaged_document(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        parse(tmp_path / "none", "text/plain")


def test_children_end_with_their_parent(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("text")
    script = (
        "import sys, time; from pathlib import Path; from ingest.parse import parse, sandbox\n"
        f"parse(Path({str(path)!r}), 'text/plain')\n"
        "print(sandbox.POOL._idle[0]._process.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    assert gone(pid)


def test_starting_a_child_imports_little() -> None:
    script = "import ingest.parse.child, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True
    )
    heavy = {
        "numpy", "lxml", "pypdfium2", "PIL", "markdown_it", "charset_normalizer", "onnxruntime",
        "faiss", "dbos", "sqlalchemy", "pydantic", "tokenizers", "asyncio", "fastapi",
    }  # fmt: skip
    assert not heavy & set(done.stdout.split())


PAGES = (Page(number=1, start=0, end=2, width=10, height=20, boxes=bytes(16)),)


def test_parts_survive_the_wire() -> None:
    part = Part(
        text="a\ud800",
        title="t",
        pages=PAGES,
        blocks=(Block(kind=BlockKind.HEADING, start=0, end=1, level=2),),
        warnings=("w",),
    )
    assert part_from_frame(*part_to_frame(part)) == part


@pytest.mark.parametrize(
    "part",
    [
        Part(text="abc", pages=PAGES),
        Part(text="ab", pages=(*PAGES, *PAGES)),
        Part(text="ab", pages=(Page(number=1, start=0, end=2, width=1, height=1, boxes=b"x"),)),
        Part(text="ab", blocks=(Block(kind=BlockKind.LIST, start=1, end=3),)),
        Part(text="ab", blocks=(Block(kind=BlockKind.LIST, start=-1, end=1),)),
    ],
)
def test_impossible_spans_are_refused(part: Part) -> None:
    with pytest.raises(FrameError):
        assemble([part], "application/pdf")


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"part": None},
        {"part": {"text": "x", "title": None, "pages": [], "blocks": [], "attachments": [],
                  "warnings": []}},
        {"part": {"text": 9, "title": None, "pages": [], "blocks": [], "attachments": [],
                  "warnings": []}},
        {"part": {"text": 0, "title": None, "pages": [[1]], "blocks": [], "attachments": [],
                  "warnings": []}},
        {"part": {"text": 0, "title": None, "pages": [], "blocks": [["z", 0, 1, 0, []]],
                  "attachments": [], "warnings": []}},
        {"part": {"text": 0, "title": None, "pages": [[1, 0, float("inf"), 1, 1, "text", 0]],
                  "blocks": [], "attachments": [], "warnings": []}},
    ],
)  # fmt: skip
def test_malformed_parts_are_refused(header: dict[str, object]) -> None:
    with pytest.raises(FrameError):
        part_from_frame(header, b"")


def test_a_text_of_too_many_characters_is_refused_with_their_number(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_text("ab " * 500)
    with pytest.raises(ParserLimit, match="more than 1,499 characters"):
        parse(path, "text/plain", limits=Limits(text_characters=1_499))
    assert len(parse(path, "text/plain", limits=Limits(text_characters=1_500)).text) == 1_500
    assert Limits().text_characters == 20_000_000
