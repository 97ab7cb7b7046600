"""A client of the REST surface: over HTTP, or of the application within this process.

Every command of the command line goes through it, so that a command means the same on a
folder and on a running service. Heavy: imported by commands only when they run.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import httpx2
from anyio.from_thread import start_blocking_portal

from rag import errors

if TYPE_CHECKING:
    from fastapi import FastAPI

Json: TypeAlias = dict[str, Any]

IN_PROCESS = "http://127.0.0.1"
_TIMEOUT = httpx2.Timeout(300, connect=10)
_MOST_BUSY_S = 120.0


class Client:
    """Requests and replies as parsed JSON; errors come back as the classes they were."""

    def __init__(self, address: str, *, key: str | None, transport: httpx2.BaseTransport) -> None:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self.address = address
        self._http = httpx2.Client(
            base_url=address, headers=headers, transport=transport, timeout=_TIMEOUT
        )

    def get(self, path: str, **params: Any) -> Json:
        """Fetch an object."""
        given = {name: value for name, value in params.items() if value is not None}
        return self._json("GET", path, params=given)

    def post(self, path: str, body: Mapping[str, Any], *, patient: bool = False) -> Json:
        """Send a JSON body, members that are ``None`` left out; wait without end if ``patient``."""
        given = {name: value for name, value in body.items() if value is not None}
        return self._json("POST", path, json=given, timeout=None if patient else _TIMEOUT)

    def patch(self, path: str, body: Mapping[str, Any]) -> Json:
        """Change an object."""
        return self._json("PATCH", path, json=body)

    def delete(self, path: str) -> Json:
        """Delete an object."""
        return self._json("DELETE", path)

    def content(self, path: str, **params: Any) -> bytes:
        """Fetch bytes."""
        return self._send("GET", path, params=params).content

    def pieces(self, path: str, **params: Any) -> Iterator[bytes]:
        """Fetch bytes that need not all be in memory."""
        with self._http.stream("GET", path, params=params, timeout=None) as response:
            if response.is_error:
                response.read()
                raise _error(response)
            yield from response.iter_bytes()

    def send(self, path: str, file: Path, **params: Any) -> Json:
        """Send a file as a body; parameters that are ``None`` are left out.

        Raises:
            OSError: the file cannot be read.
        """
        given = {name: value for name, value in params.items() if value is not None}
        headers = {"content-type": "application/octet-stream"}
        with file.open("rb") as stream:
            return self._json("POST", path, params=given, content=stream, headers=headers)

    def upload(
        self,
        file: Path,
        *,
        collection: str | None,
        metadata: Mapping[str, Any],
        password: str | None = None,
        source: Mapping[str, Any] | None = None,
    ) -> Json:
        """Send a file, with what opens it if it is locked; the reply holds document and job.

        ``source`` says which file of which folder it is, when a folder is kept in step.

        Raises:
            OSError: the file cannot be read.
        """
        fields = {"metadata": json.dumps(metadata)} if metadata else {}
        if collection:
            fields["collection"] = collection
        if password:
            fields["password"] = password
        if source:
            fields["source"] = json.dumps(source)
        waited = 0.0
        while True:
            try:
                with file.open("rb") as stream:
                    files = {"file": (storable_name(file.name), stream)}
                    return self._json("POST", "/v1/documents", data=fields, files=files)
            except errors.Overloaded:
                if waited >= _MOST_BUSY_S:
                    raise
                time.sleep(1)
                waited += 1

    def preview_chunks(
        self, file: Path, chunking: Mapping[str, Any], *, limit: int, password: str | None = None
    ) -> Json:
        """Send a file to be cut, and not to be kept; settings that are ``None`` are left out.

        Raises:
            OSError: the file cannot be read.
        """
        given = {name: value for name, value in chunking.items() if value is not None}
        fields = {"chunking": json.dumps(given), **({"password": password} if password else {})}
        with file.open("rb") as stream:
            return self._json(
                "POST",
                "/v1/chunks:preview",
                params={"limit": limit},
                data=fields,
                files={"file": (storable_name(file.name), stream)},
                timeout=None,
            )

    def all(self, path: str, *, at_once: int = 100, **params: Any) -> Iterator[Json]:
        """Every element of a list, page by page."""
        after = None
        while True:
            page = self.get(path, limit=at_once, after=after, **params)
            yield from page["data"]
            if not page["has_more"]:
                return
            after = page["last_id"]

    def listed(self, path: str, most: int, **params: Any) -> list[Json]:
        """The first elements of a list."""
        return list(islice(self.all(path, **params), most))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _json(self, method: str, path: str, **arguments: Any) -> Json:
        response = self._send(method, path, **arguments)
        return dict(response.json()) if response.content else {}

    def _send(self, method: str, path: str, **arguments: Any) -> httpx2.Response:
        _check_sendable(arguments.get("json"))
        try:
            response = self._http.request(method, path, **arguments)
        except httpx2.TransportError as error:
            raise errors.IbidemError(
                f"The service at {self.address} cannot be reached ({error}). Is it running?"
            ) from error
        if response.is_error:
            raise _error(response)
        return response


class InProcess(httpx2.BaseTransport):
    """Carries requests to an application in this process, on an event loop of its own."""

    def __init__(self, app: FastAPI) -> None:
        self._asgi = httpx2.ASGITransport(app, raise_app_exceptions=False)
        with ExitStack() as stack:
            self._portal = stack.enter_context(start_blocking_portal())
            lifespan = app.router.lifespan_context(app)
            stack.enter_context(self._portal.wrap_async_context_manager(lifespan))
            self._open = stack.pop_all()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Run one request to its end."""
        if not isinstance(request.stream, httpx2.AsyncByteStream):
            request.read()  # a file, which no event loop can wait for
        return self._portal.call(self._run, request)

    def close(self) -> None:
        """Stop the event loop."""
        self._open.close()

    async def _run(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._asgi.handle_async_request(request)
        body = await response.aread()
        return httpx2.Response(response.status_code, headers=response.headers, content=body)


def storable_name(path: str) -> str:
    """A path as it can be sent, another for each: names need not be valid Unicode on disk.

    A byte that is no text is told by a backslash and its number, so a backslash is doubled.
    """
    doubled = path.replace("\\", "\\\\")
    return doubled.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


@contextmanager
def over_http(address: str, *, key: str | None) -> Iterator[Client]:
    """A client of a running service; proxies of the environment are not asked."""
    client = Client(address.rstrip("/"), key=key, transport=httpx2.HTTPTransport(retries=1))
    try:
        yield client
    finally:
        client.close()


@contextmanager
def in_process(app: FastAPI, *, key: str | None) -> Iterator[Client]:
    """A client of an application that nobody else can reach."""
    client = Client(IN_PROCESS, key=key, transport=InProcess(app))
    try:
        yield client
    finally:
        client.close()


def _check_sendable(body: Any) -> None:
    """Refuse what JSON cannot say, though the command line and Python's reading of files can."""
    try:
        json.dumps(body, allow_nan=False, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise errors.InvalidRequest("What is given holds characters that are no Unicode.") from None
    except ValueError:
        raise errors.InvalidRequest("What is given holds a number that is not finite.") from None


def _error(response: httpx2.Response) -> errors.IbidemError:
    """The error that the reply tells of, as the class that it was raised as."""
    try:
        told = dict(response.json()["error"])
    except (ValueError, KeyError, TypeError):
        return errors.IbidemError(
            f"{response.request.url} answered {response.status_code}, and not as Ibidem does. "
            "Is the address right?"
        )
    kind = _classes(errors.IbidemError).get(str(told.get("code")), errors.IbidemError)
    return kind(str(told.get("message")), param=told.get("param"))


def _classes(base: type[errors.IbidemError]) -> dict[str, type[errors.IbidemError]]:
    found = {base.code: base}
    for kind in base.__subclasses__():
        found.update(_classes(kind))
    return found
