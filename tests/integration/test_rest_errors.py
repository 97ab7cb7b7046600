"""Bad input over REST: each row its status and code, all in one form, and never a 500."""

from __future__ import annotations

import errno
import json
import logging
import os
import random
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.conftest import on_sqlite
from tests.integration.conftest import LEASE, Rest

NOBODY = "0" * 24
JSON = {"content-type": "application/json"}
FORM = {"content-type": "multipart/form-data; boundary=B"}


def part(name: str, value: str, *, filename: str | None = None) -> bytes:
    shown = "" if filename is None else f'; filename="{filename}"'
    return (
        f'--B\r\nContent-Disposition: form-data; name="{name}"{shown}\r\n\r\n{value}\r\n'.encode()
    )


def text_file(size: int) -> dict[str, Any]:
    return {"files": {"file": ("a.txt", b"x" * size)}}


FILE = part("file", "hello", filename="a.txt")
END = b"--B--\r\n"
TWO_FILES = {"content": FILE + FILE + END, "headers": FORM}
SOUND = {"files": {"file": ("a.wav", b"RIFF\x24\x00\x00\x00WAVEfmt ")}}


def deep(levels: int) -> dict[str, Any]:
    node: dict[str, Any] = {"a": 1}
    for _ in range(levels):
        node = {"$not": node}
    return node


REQUESTS: list[tuple[str, str, dict[str, Any], int, str]] = [
    # method, path, arguments, status, code
    ("GET", "/nowhere", {}, 404, "unknown_route"),
    ("GET", "/v1/documents/", {}, 404, "unknown_route"),
    ("PUT", "/v1/documents", {}, 405, "method_not_allowed"),
    ("DELETE", "/v1/ask", {}, 405, "method_not_allowed"),
    ("GET", f"/v1/documents/doc_{NOBODY}", {}, 404, "not_found"),
    ("GET", "/v1/documents/%00", {}, 404, "not_found"),
    ("GET", f"/v1/documents/{'x' * 5000}", {}, 404, "not_found"),
    ("PATCH", f"/v1/documents/doc_{NOBODY}", {"json": {"name": "a"}}, 404, "not_found"),
    ("DELETE", f"/v1/documents/doc_{NOBODY}", {}, 404, "not_found"),
    ("GET", f"/v1/documents/doc_{NOBODY}/pages/1.png", {}, 404, "not_found"),
    ("GET", f"/v1/collections/col_{NOBODY}", {}, 404, "not_found"),
    ("DELETE", f"/v1/collections/col_{NOBODY}", {}, 404, "not_found"),
    ("GET", f"/v1/jobs/job_{NOBODY}", {}, 404, "not_found"),
    ("GET", f"/v1/jobs/job_{NOBODY}/events", {}, 404, "not_found"),
    ("GET", f"/v1/answers/ans_{NOBODY}", {}, 404, "not_found"),
    ("GET", "/v1/documents?limit=0", {}, 422, "invalid_request"),
    ("GET", "/v1/documents?limit=101", {}, 422, "invalid_request"),
    ("GET", "/v1/documents?limit=ten", {}, 422, "invalid_request"),
    ("GET", "/v1/documents?order=up", {}, 422, "invalid_request"),
    ("GET", "/v1/documents?status=lost", {}, 422, "invalid_request"),
    ("GET", f"/v1/documents?after=doc_{NOBODY}", {}, 404, "not_found"),
    ("GET", f"/v1/jobs?after=job_{NOBODY}", {}, 404, "not_found"),
    ("GET", f"/v1/collections?after=col_{NOBODY}", {}, 404, "not_found"),
    ("GET", "/v1/documents?collection=none", {}, 404, "not_found"),
    ("GET", "/v1/documents?filter={", {}, 422, "invalid_filter"),
    ("GET", "/v1/documents?filter=[]", {}, 422, "invalid_filter"),
    ("GET", "/v1/documents", {"params": {"filter": '{"a":{"$like":1}}'}}, 422, "invalid_filter"),
    ("POST", "/v1/search", {"content": b"{", "headers": JSON}, 400, "malformed_json"),
    ("POST", "/v1/search", {"content": b"\xff\xfe{}", "headers": JSON}, 400, "malformed_json"),
    ("POST", "/v1/search", {"content": b"[" * 9999, "headers": JSON}, 400, "malformed_json"),
    ("POST", "/v1/search", {"content": b"9" * 9999, "headers": JSON}, 400, "malformed_json"),
    ("POST", "/v1/search", {"content": b"[]", "headers": JSON}, 422, "invalid_request"),
    ("POST", "/v1/search", {"content": b"", "headers": JSON}, 422, "invalid_request"),
    ("POST", "/v1/search", {"content": b"query=x"}, 422, "invalid_request"),
    ("POST", "/v1/search", {"content": b" " * 1_000_001}, 413, "payload_too_large"),
    ("POST", "/v1/search", {"json": {}}, 422, "invalid_request"),
    ("POST", "/v1/search", {"json": {"query": ""}}, 422, "invalid_request"),
    ("POST", "/v1/search", {"json": {"query": "a\0b"}}, 422, "invalid_request"),
    ("POST", "/v1/search", {"json": {"query": "\ud800"}}, 422, "invalid_request"),
    ("POST", "/v1/search", {"json": {"query": "x" * 10_001}}, 422, "invalid_request"),
    ("POST", "/v1/search", {"json": {"query": "x", "top_k": 0}}, 422, "invalid_request"),
    ("POST", "/v1/search", {"json": {"query": "x", "top_k": 101}}, 422, "invalid_request"),
    ("POST", "/v1/search", {"json": {"query": "x", "mode": "sparse"}}, 422, "invalid_request"),
    ("POST", "/v1/search", {"json": {"query": "x", "rerank": True}}, 422, "invalid_request"),
    ("POST", "/v1/search", {"json": {"query": "x", "collection": "?"}}, 404, "not_found"),
    ("POST", "/v1/search", {"json": {"query": "x", "collections": []}}, 422, "invalid_request"),
    (
        "POST",
        "/v1/search",
        {"json": {"query": "x", "collection": "default", "collections": ["default"]}},
        422,
        "invalid_request",
    ),
    ("POST", "/v1/search", {"json": {"query": "x", "filter": {"$xor": []}}}, 422, "invalid_filter"),
    ("POST", "/v1/search", {"json": {"query": "x", "filter": deep(9)}}, 422, "invalid_filter"),
    (
        "POST",
        "/v1/search",
        {"json": {"query": "x", "filter": {"\ud800": 1}}},
        422,
        "invalid_filter",
    ),
    (
        "POST",
        "/v1/search",
        {"json": {"query": "x", "filter": {"a": "\ud800"}}},
        422,
        "invalid_filter",
    ),
    (
        "POST",
        "/v1/search",
        {"content": b'{"query":"x","filter":{"a":NaN}}', "headers": JSON},
        422,
        "invalid_filter",
    ),
    (
        "POST",
        "/v1/search",
        {"json": {"query": "x", "filter": {"$or": [{"a": n} for n in range(5000)]}}},
        422,
        "invalid_filter",
    ),
    ("POST", "/v1/ask", {"json": {"question": "x", "engine": "gpt"}}, 422, "invalid_request"),
    ("POST", "/v1/ask", {"json": {"question": "x", "talk": "c"}}, 422, "invalid_request"),
    ("POST", "/v1/ask", {"json": {"question": "x", "conversation": "c"}}, 404, "not_found"),
    ("POST", "/v1/ask", {"json": {"question": "x", "expand": "no"}}, 422, "invalid_request"),
    ("POST", "/v1/conversations", {"json": {"collection": "gone"}}, 404, "not_found"),
    ("GET", "/v1/conversations/con_x", {}, 404, "not_found"),
    (
        "POST",
        "/v1/ask",
        {"json": {"question": "x", "stream": True, "filter": {"a": {"$x": 1}}}},
        422,
        "invalid_filter",
    ),
    *(
        ("POST", "/v1/analyses", {"content": body, "headers": JSON}, 422, "invalid_request")
        for body in (
            b'{"text":"a","kind":"classification"}',
            b'{"text":"a","confidence_threshold":NaN}',
            b'{"text":"a","budget_usd":1e999}',
            b'{"text":"a","schema":{"type":"object","minProperties":NaN}}',
            b'{"text":"a","schema":{"type":"object","minProperties":1e999}}',
            b'{"text":"a","schema":{"type":"object","title":"\\ud800"}}',
            b'{"text":"a","schema":{"type":"object","properties":{"a":false},"required":["a"]}}',
            b'{"text":"a\\ud800b"}',
        )
    ),
    ("POST", "/v1/analyses", {"json": {"text": "a " * 500_001}}, 413, "payload_too_large"),
    ("POST", "/v1/analyses", {"json": {"documents": [f"doc_{NOBODY}"]}}, 404, "not_found"),
    ("POST", "/v1/collections", {"json": {"name": " "}}, 422, "invalid_request"),
    ("POST", "/v1/collections", {"json": {"name": "a\nb"}}, 422, "invalid_request"),
    ("POST", "/v1/collections", {"json": {"name": "col_x"}}, 422, "invalid_request"),
    ("POST", "/v1/collections", {"json": {"name": "x" * 201}}, 422, "invalid_request"),
    ("POST", "/v1/collections", {"json": {"name": "x", "owner": "me"}}, 422, "invalid_request"),
    (
        "POST",
        "/v1/collections",
        {"json": {"name": "x", "chunking": {"size": 10, "overlap": 10}}},
        422,
        "invalid_request",
    ),
    (
        "POST",
        "/v1/collections",
        {"json": {"name": "x", "chunking": {"size": 1000}}},
        422,
        "invalid_request",
    ),
    (
        "POST",
        "/v1/collections",
        {"json": {"name": "x", "metadata_schema": {"a": "date"}}},
        422,
        "invalid_request",
    ),
    ("POST", "/v1/documents", {"json": {"file": "x"}}, 415, "unsupported_type"),
    ("POST", "/v1/documents", {}, 415, "unsupported_type"),
    (
        "POST",
        "/v1/documents",
        {"content": b"x", "headers": {"content-type": "multipart/form-data"}},
        422,
        "invalid_request",
    ),
    ("POST", "/v1/documents", {"content": b"junk", "headers": FORM}, 422, "invalid_request"),
    ("POST", "/v1/documents", {"content": b"", "headers": FORM}, 422, "invalid_request"),
    ("POST", "/v1/documents", {"content": END, "headers": FORM}, 422, "invalid_request"),
    ("POST", "/v1/documents", {"content": FILE, "headers": FORM}, 422, "invalid_request"),
    ("POST", "/v1/documents", TWO_FILES, 422, "invalid_request"),
    (
        "POST",
        "/v1/documents",
        {"content": part("file", "a path") + END, "headers": FORM},
        422,
        "invalid_request",
    ),
    (
        "POST",
        "/v1/documents",
        {"content": part("files", "x", filename="a") + END, "headers": FORM},
        422,
        "invalid_request",
    ),
    (
        "POST",
        "/v1/documents",
        {"content": FILE + part("collection", "gone") + END, "headers": FORM},
        404,
        "not_found",
    ),
    (
        "POST",
        "/v1/documents",
        {"content": part("file", "", filename="a.txt") + END, "headers": FORM},
        422,
        "empty_document",
    ),
    ("POST", "/v1/documents", {"files": {"file": ("a.bin", bytes(64))}}, 415, "unsupported_type"),
    ("POST", "/v1/documents", SOUND, 415, "unsupported_type"),
    ("POST", "/v1/documents", text_file(1_000_001), 413, "payload_too_large"),
    ("POST", "/v1/documents", text_file(3_000_001), 413, "payload_too_large"),
    *(
        (
            "POST",
            "/v1/documents",
            {"content": FILE + part("metadata", metadata) + END, "headers": FORM},
            422,
            "invalid_request",
        )
        for metadata in (
            "{",
            "[]",
            '"text"',
            '{"a": [1]}',
            '{"a": {"b": 1}}',
            '{"": 1}',
            '{"$a": 1}',
            '{"a": NaN}',
            '{"a": 1e999}',
            '{"a": "\\ud800"}',
            '{"\\ud800": 1}',
            '{"a": "\\u0000"}',
            "[" * 100_000,
            "9" * 10_000,
            json.dumps({"a": "x" * 65_000}),
        )
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def small(rest: Rest) -> Rest:
    """The module's service, in which an upload of a megabyte is too large."""
    object.__setattr__(rest.services.settings, "max_upload_mb", 1)
    return rest


def check_form(reply: Any) -> dict[str, Any]:
    error = reply.json()["error"]
    assert set(error) == {"type", "code", "message", "param", "request_id"}
    assert error["request_id"] == reply.headers["x-request-id"]
    assert error["type"]
    assert error["message"]
    return dict(error)


@pytest.mark.parametrize(("method", "path", "arguments", "status", "code"), REQUESTS)
def test_bad_input_gets_a_clear_error(
    small: Rest, method: str, path: str, arguments: dict[str, Any], status: int, code: str
) -> None:
    if "json" in arguments:
        body = json.dumps(arguments["json"]).encode()  # as escapes: lone surrogates travel too
        arguments = {"content": body, "headers": JSON}
    reply = small.client.request(method, path, **arguments)
    error = check_form(reply)
    assert (reply.status_code, error["code"]) == (status, code), error
    assert not list((small.services.home.originals / "incoming").iterdir())


@pytest.mark.parametrize("path", ["/v1/documents?colection=a", "/v1/jobs?limit=3&colection=a"])
def test_a_misspelt_parameter_is_not_ignored(idle: Rest, path: str) -> None:
    refused = idle.client.get(path)
    error = refused.json()["error"]
    assert (refused.status_code, error["param"]) == (422, "colection")
    assert "'colection'" in error["message"]
    assert "limit" in error["message"]
    assert idle.client.get("/health?at=noon").status_code == 200  # probes take what they get


def test_the_place_of_the_fault_is_named(small: Rest) -> None:
    unknown = {"$and": [{"a": {"$x": 1}}]}
    for path, body, param in (
        ("/v1/search", {"query": "x", "top_k": 0}, "top_k"),
        ("/v1/search", {"query": "x", "filter": unknown}, "filter.$and[0].a.$x"),
        ("/v1/collections", {"name": "x", "chunking": {"size": 1}}, "chunking.size"),
        ("/v1/ask", {"question": "x", "engine": "gpt"}, "engine"),
    ):  # fmt: skip
        error = check_form(small.client.post(path, json=body))
        assert error["param"] == param
        assert param.split(".")[-1] in error["message"]


def test_pages_and_highlights_are_checked(rest: Rest, pump: str) -> None:
    place = f"/v1/documents/{pump}/pages"
    for query, status in (
        ("1.png?highlight=5", 422),
        ("1.png?highlight=9-5", 422),
        ("1.png?highlight=5-5", 422),
        ("1.png?highlight=0-99999999", 422),
        ("1.png?highlight=-1-5", 422),
        ("1.png?highlight=1-٣", 422),
        ("1.png?width=0", 422),
        ("1.png?width=99999", 422),
        ("0.png", 422),
        ("x.png", 422),
        ("99999999999999999999.png", 422),
        ("9.png", 404),
        ("1.jpg", 404),
    ):
        reply = rest.client.get(f"{place}/{query}")
        assert reply.status_code == status, query
        check_form(reply)


def test_a_document_that_is_not_read_yet_says_so(idle: Rest) -> None:
    document = idle.upload("a.txt", b"wait").json()["document"]["id"]
    for path in ("/text", "/chunks", "/pages/1.png"):
        reply = idle.client.get(f"/v1/documents/{document}{path}")
        assert (reply.status_code, check_form(reply)["code"]) == (409, "conflict")


def test_a_full_disk_while_receiving_is_said_and_leaves_nothing(
    idle: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        reply = idle.upload("a.txt", b"hello")
    assert (reply.status_code, check_form(reply)["code"]) == (507, "storage_full")
    assert not list(idle.services.originals.all())
    assert idle.upload("a.txt", b"hello").status_code == 202


@on_sqlite
def test_a_full_database_is_said_and_nothing_is_half_done(idle: Rest) -> None:
    assert idle.upload("a.txt", b"hello").status_code == 202
    engine = sa.create_engine(f"sqlite:///{idle.services.home.catalog}")
    engine.dispose()
    database = idle.services.catalog._database

    def limit(pages: int) -> None:
        with database.read() as connection:
            connection.exec_driver_sql("COMMIT")
            count = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count={count + pages}")
            connection.exec_driver_sql("BEGIN")

    limit(0)
    metadata = {"a": "x" * 60_000}
    reply = idle.upload("b.txt", b"world", metadata=metadata)
    assert (reply.status_code, check_form(reply)["code"]) == (507, "storage_full")
    limit(10_000)
    assert idle.upload("b.txt", b"world", metadata=metadata).status_code == 202


def test_an_unforeseen_failure_tells_its_request_id_and_nothing_else(
    rest: Rest, lease: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> str:
        raise RuntimeError(f"cannot digest {LEASE}")

    monkeypatch.setattr(rest.services.catalog.texts, "read", fail)
    with caplog.at_level(logging.INFO):
        reply = rest.client.get(f"/v1/documents/{lease}/text", headers={"x-request-id": "r-1"})
    error = check_form(reply)
    assert (reply.status_code, error["code"], error["request_id"]) == (500, "ibidem_error", "r-1")
    assert "RuntimeError" in caplog.text
    assert "r-1" in caplog.text
    for told in (reply.text, caplog.text):
        assert "boat house" not in told


def test_garbage_never_gives_a_500(small: Rest, lease: str, pump: str) -> None:
    """Random methods, paths, queries and bodies made of what the routes expect, and of junk."""
    chance = random.Random(7)
    schema = small.client.get("/openapi.json").json()
    routes = [(m.upper(), p) for p, methods in schema["paths"].items() for m in methods]
    ids = [lease, pump, f"doc_{NOBODY}", "..", "%2e%2e%2f", "%00", "😀", "x" * 300, "-1", "1", "2"]
    junk: list[Any] = [
        None, True, -1, 0, 1, 2**31, 2**63, 2**70, 1.5, 1e308, "", "a", "\0", "\ud800", "😀",
        "default", "offline", "hybrid", "x" * 500, [], ["a"], {}, {"a": 1}, {"$eq": 1},
        {"year": {"$gte": 2000}}, {"$and": []}, {"a": {"$in": [1, "x", None]}}, deep(3), [[[]]],
        {"size": 20}, {"a": "string"}, lease, "asc", '{"a":1}', "5-9", "ready",
    ]  # fmt: skip
    keys = ["query", "question", "collection", "collections", "filter", "mode", "top_k", "engine",
            "stream", "name", "chunking", "metadata_schema", "metadata", "limit", "after", "order",
            "status", "start", "end", "highlight", "width", "other"]  # fmt: skip
    seen: set[int] = set()
    for _ in range(600):
        method, path = chance.choice(routes)
        if (method, path) == ("DELETE", "/v1/documents/{document_id}"):
            continue
        while "{" in path:
            start, end = path.index("{"), path.index("}")
            path = path[:start] + chance.choice(ids) + path[end + 1 :]
        body = {key: chance.choice(junk) for key in chance.sample(keys, chance.randrange(5))}
        if path == "/v1/search":
            body.setdefault("query", "pump")
        if path == "/v1/ask":
            body.setdefault("question", "pump")
        query = {
            key: str(value).encode("utf-8", "replace").decode()
            for key, value in body.items()
            if isinstance(value, (str, int))
        }
        content = json.dumps(body).encode()
        if chance.random() < 0.1:
            content = content[: chance.randrange(len(content))]
        if method == "POST" and path == "/v1/documents":
            fields = [part(k, str(v).encode("utf-8", "replace").decode()) for k, v in body.items()]
            content = b"".join(chance.sample([FILE, *fields], len(fields) + 1)) + END
            headers = FORM
        else:
            headers = JSON
        reply = small.client.request(
            method,
            path,
            params=query if method == "GET" else {},
            content=None if method == "GET" else content,
            headers=headers,
        )
        seen.add(reply.status_code)
        assert reply.status_code < 500, (method, path, query, content[:500], reply.text)
        if reply.status_code >= 400:
            check_form(reply)
    assert {200, 404, 422} <= seen


def test_random_bytes_as_forms_never_give_a_500(small: Rest) -> None:
    chance = random.Random(11)
    pieces = [
        *(b"--B", b"\r\n", b"--", b":", b'"', b";", b"\0", b"\xff", b"x" * 70, FILE, END),
        *(b"Content-Disposition", b": form-data", b"; name=file", b"; filename="),
    ]
    for _ in range(200):
        content = b"".join(chance.choices(pieces, k=chance.randrange(12)))
        boundary = chance.choice(["B", '"B"', "".join(chance.choices(string.printable[:90], k=9))])
        reply = small.client.post(
            "/v1/documents",
            content=content,
            headers={"content-type": f"multipart/form-data; boundary={boundary}".encode()},
        )
        assert reply.status_code < 500, (content, boundary, reply.text)


def test_a_missing_original_is_damage_and_said(
    idle: Rest, open_rest: Callable[..., Any], tmp_path: Path
) -> None:
    uploaded = idle.upload("a.txt", b"hello").json()["document"]
    idle.services.originals.path(uploaded["sha256"]).unlink()
    reply = idle.client.get(f"/v1/documents/{uploaded['id']}/content")
    assert (reply.status_code, check_form(reply)["code"]) == (500, "store_damaged")
