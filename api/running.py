"""A running Ibidem in this process: opened for one command, or served until a signal."""

from __future__ import annotations

import gc
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import uvicorn

from api.app import create_app
from api.composition import open_services
from api.home import Home
from api.server import Server
from api.services import Services
from api.settings import Settings
from api.worker import Worker
from api.works import open_runner
from rag.errors import ConfigurationError, HomeBusy, StorageError

if TYPE_CHECKING:
    from fastapi import FastAPI

_STREAMS_MAY_END_S = 2
_SWITCH_S = 0.0005
"""How long a thread may keep the others from running Python. A question asks for its turn at
each database call; with Python's own 5 ms it would wait so long each time a document is read."""


@contextmanager
def opened(settings: Settings, *, work: bool, address: str | None = None) -> Iterator[FastAPI]:
    """The application on the home of these settings, with a job store when it shall work.

    Raises:
        HomeBusy: another process owns the home.
        ConfigurationError: a setting names something that does not exist.
    """
    with open_services(settings, address=address) as services:
        if not work:
            yield create_app(services, None)
            return
        with _working(services) as app:
            yield app


@contextmanager
def _working(services: Services) -> Iterator[FastAPI]:
    worker = Worker(services)
    app = create_app(services, worker)
    worker.start()
    at_once = False
    try:
        yield app
    except KeyboardInterrupt:  # a person waits
        at_once = True
        raise
    finally:
        worker.stop(at_once=at_once)
        if worker.failed:
            raise StorageError("The job store did not start; the log says why.")


@contextmanager
def listening(settings: Settings) -> Iterator[socket.socket]:
    """A socket on the address of these settings; taken before anything slow is done.

    Raises:
        ConfigurationError: the address may not or cannot be listened on.
        HomeBusy: a service already runs on this home.
    """
    settings.check_address()
    if Home(path=settings.home).owner().get("address"):
        with Home(path=settings.home).owned():  # raises, and says who owns it
            raise HomeBusy
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
            listener.listen(128)
        except OSError as error:
            raise ConfigurationError(
                f"Cannot listen on {settings.host}:{settings.port}: {error.strerror or error}. "
                "Set IBIDEM_PORT or --port to a free port."
            ) from error
        yield listener


def address_of(listener: socket.socket) -> str:
    """The URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve_until_stopped(
    app: FastAPI, listener: socket.socket, on_ready: Callable[[], None]
) -> None:
    """Answer requests until SIGINT or SIGTERM; ``on_ready`` is called when the first can come.

    Leaves by SystemExit, as the server sends itself again the signal that stopped it.
    """
    signal.signal(signal.SIGINT, _leave)
    app.state.door.services.indexes.keep_warm()
    sys.setswitchinterval(_SWITCH_S)
    # What is loaded now stays: looking through it for garbage again and again would stop all
    # threads for a tenth of a second each time.
    gc.freeze()

    class Announced(Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                on_ready()

    config = uvicorn.Config(
        app,
        log_config=None,
        # Not what else happens to be installed: what is served is what was tested.
        loop="asyncio",
        http="h11",
        timeout_graceful_shutdown=_STREAMS_MAY_END_S,
        server_header=False,
    )
    Announced(app, config).run(sockets=[listener])


def work_until_stopped(services: Services) -> None:
    """Carry out items until SIGINT or SIGTERM, beside other processes that do."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    runner = open_runner(services, alone=False)
    runner.start()
    try:
        stopped.wait()
    finally:
        runner.stop()


def leave_on_sigterm() -> None:
    """Leave in order on SIGTERM, also while starting and after the server's end."""
    signal.signal(signal.SIGTERM, _leave)


def log_to_stderr() -> None:
    """One readable line for each event."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
        datefmt="%Y-%m-%d %H:%M:%S",
    )
    logging.getLogger("uvicorn.access").addFilter(is_worth_a_line)
    for chatty in ("alembic", "uvicorn.error", "httpx2", "dbos"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def is_worth_a_line(record: logging.LogRecord) -> bool:
    """Not that somebody looked and found what they looked for: who waits asks every second."""
    match record.args:
        case (_, str(method), _, _, int(status)):
            return method not in ("GET", "HEAD") or status >= 400
    return True


def _leave(_signal: int, _frame: object) -> NoReturn:
    raise SystemExit(0)
