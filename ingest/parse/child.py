"""The process in which documents are parsed. It trusts nothing and is trusted by nobody.

It serves requests from standard input one after the other, each under limits of memory and
processor time, and answers in frames on standard output. Before it reads the first document
it shuts itself off from everything but the folder that this lies in. It ends when its parent
closes the pipe, so that no parser outlives the service.
"""

from __future__ import annotations

import math
import os
import resource
import sys
import time
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

from ingest.parse.confine import confine
from ingest.parse.formats import BY_MEDIA_TYPE
from ingest.parse.options import INSTALLED, OCR_LANGUAGES, PASSWORD
from ingest.parse.parts import (
    Part,
    part_to_frame,
    read_frame,
    rest_from,
    rest_to_frame,
    write_frame,
)
from rag.errors import ConfigurationError, CorruptDocument, IbidemError, ParserLimit

_REQUEST_BYTES = 1 << 28
_NICENESS = 10


def main() -> None:
    """Serve until standard input ends."""
    requests, replies = sys.stdin.buffer, _private_output()
    _harden()
    unprotected: dict[str, str] | None = None
    while (frame := read_frame(requests, _REQUEST_BYTES)) is not None:
        request = frame[0]
        if unprotected is None:
            unprotected = confine([Path(request["folder"])] if request.get("folder") else [])
        if request["do"] == "confine":
            write_frame(replies, {"unprotected": unprotected})
            write_frame(replies, {"done": True})
        else:
            _serve(*frame, replies)


def _private_output() -> BinaryIO:
    # A library that prints must not write into the frames.
    replies = os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)
    return replies


def _harden() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    os.nice(_NICENESS)


def _serve(request: Mapping[str, Any], rest: bytes, replies: BinaryIO) -> None:
    try:
        _limit_memory(request["memory_bytes"])
        for header, blob in _frames(request, rest):
            write_frame(replies, header, blob)
        reply: dict[str, Any] = {"done": True}
    except MemoryError:
        reply = _failure(ParserLimit(f"reading it took more than {_megabytes(request)} of memory"))
    except RecursionError:
        reply = _failure(ParserLimit("it is nested too deeply"))
    except ImportError as error:
        reply = _failure(ConfigurationError(f"a parser cannot be loaded: {error}"))
    except IbidemError as error:
        reply = _failure(error)
    except Exception as error:  # whatever a parser throws at damaged bytes
        reply = _failure(CorruptDocument(f"the parser gave up on it ({type(error).__name__})"))
    write_frame(replies, reply)


def _frames(request: Mapping[str, Any], rest: bytes) -> Iterator[tuple[dict[str, Any], bytes]]:
    cpu_s = request["cpu_s"]
    _limit_cpu(cpu_s)
    if request["do"] == "cut":
        from ingest.chunk.cutting import reply_to

        yield reply_to(request, rest)
        return
    PASSWORD.set(request.get("password"))
    if request["do"] == "render":
        from ingest.parse.raster import raster

        png = raster(
            Path(request["path"]),
            request["media_type"],
            request["page"],
            request["width_px"],
            request["highlights"],
        )
        yield {"png": len(png)}, png
        return
    OCR_LANGUAGES.set(request.get("ocr_languages", INSTALLED))
    length = request["characters"]
    for part in _parts(request, rest):
        length += len(part.text)
        if length > (most := request["text_characters"]):
            raise ParserLimit(
                f"its text has more than {most:,} characters, the most that one document may "
                "have; split it"
            )
        if part.rest is not None:
            yield rest_to_frame(part.rest)
            return
        yield part_to_frame(part)
        _limit_cpu(cpu_s)


def _parts(request: Mapping[str, Any], rest: bytes) -> Iterator[Part]:
    row = BY_MEDIA_TYPE[request["media_type"]]
    parse = import_module(row.module).parse
    path = Path(request["path"])
    if not row.in_batches:
        yield from parse(path)
        return
    end = time.monotonic() + request["batch_s"]
    yield from parse(path, rest_from(rest), lambda: time.monotonic() > end)


def _limit_memory(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (size, resource.RLIM_INFINITY))


def _limit_cpu(seconds: int) -> None:
    # Counted anew for every part: a long document is many parts, an endless loop is one.
    usage = resource.getrusage(resource.RUSAGE_SELF)
    spent = math.ceil(usage.ru_utime + usage.ru_stime)
    resource.setrlimit(resource.RLIMIT_CPU, (spent + seconds, resource.RLIM_INFINITY))


def _megabytes(request: Mapping[str, Any]) -> str:
    return f"{request['memory_bytes'] >> 20} MB"


def _failure(error: IbidemError) -> dict[str, Any]:
    return {"error": {"class": type(error).__name__, "message": error.message}}


if __name__ == "__main__":
    main()
