"""Who may use the service, and what every reply carries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.security import public_name
from rag.models.tasks import TASKS
from tests.conftest import on_sqlite
from tests.integration.conftest import Opened, Rest

KEYS = ("first-key-of-sixteen", "second-key-of-sixteen")


def test_with_keys_every_route_but_health_needs_one(open_rest: Callable[..., Opened]) -> None:
    with open_rest(api_keys=KEYS) as rest:
        schema = rest.client.get(
            "/openapi.json", headers={"authorization": f"Bearer {KEYS[0]}"}
        ).json()
        paths = [(m, p) for p, methods in schema["paths"].items() for m in methods]
        unlisted = [("get", p) for p in ("/", "/docs", "/openapi.json", "/ready", "/metrics", "/x")]
        for method, path in paths + unlisted:
            reply = rest.client.request(method, path)
            if path == "/v1/health":
                assert reply.status_code == 200
                continue
            assert reply.status_code == 401, path
            assert reply.json()["error"]["code"] == "unauthorized"
            assert reply.headers["www-authenticate"].startswith("Bearer")
        assert rest.client.get("/health").status_code == 200
        for key in KEYS:
            for scheme in ("Bearer", "bearer"):
                headers = {"authorization": f"{scheme} {key}", "host": "docs.example.com"}
                assert rest.client.get("/v1/documents", headers=headers).status_code == 200
        for wrong in ("", "Bearer", "Bearer ", f"Basic {KEYS[0]}", KEYS[0], f"Bearer {KEYS[0]}x"):
            reply = rest.client.get("/v1/documents", headers={"authorization": wrong})
            assert reply.status_code == 401, wrong


def test_an_upload_without_a_key_is_refused_unread(open_rest: Callable[..., Opened]) -> None:
    with open_rest(api_keys=KEYS) as rest:
        assert rest.upload("a.txt", b"hello").status_code == 401
        assert not list(rest.services.originals.all())


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("127.0.0.1", 200),
        ("localhost:8000", 200),
        ("LOCALHOST", 200),
        ("[::1]:8000", 200),
        ("rebound.example.com", 421),
        ("localhost.example.com", 421),
        ("127.0.0.1.example.com", 421),
        ("192.168.1.7:8000", 421),
        ("localhost@evil.example.com", 421),
        ("[", 421),
        ("", 421),
    ],
)
def test_without_keys_only_loopback_names_are_served(rest: Rest, host: str, status: int) -> None:
    reply = rest.client.get("/v1/health", headers={"host": host})
    assert reply.status_code == status
    if status != 200:
        assert reply.json()["error"]["code"] == "misdirected_host"


def test_without_keys_foreign_pages_are_refused(idle: Rest) -> None:
    for origin, status in (
        ("http://127.0.0.1:8000", 202),
        ("http://127.0.0.1:9999", 403),
        ("https://evil.example.com", 403),
        ("null", 403),
    ):
        reply = idle.client.post(
            "/v1/documents", files={"file": ("a.txt", origin)}, headers={"origin": origin}
        )
        assert reply.status_code == status, origin
        assert not [name for name in reply.headers if name.startswith("access-control")]
    assert len(idle.client.get("/v1/documents").json()["data"]) == 1


def test_the_request_id_is_kept_when_fit_and_made_otherwise(rest: Rest) -> None:
    for given, kept in (("abc-1.2:3_4", True), ("x" * 64, True), ("x" * 65, False), ("a b", False)):
        reply = rest.client.get("/v1/nowhere", headers={"x-request-id": given})
        told = reply.headers["x-request-id"]
        assert reply.json()["error"]["request_id"] == told
        assert (told == given) is kept
        assert kept or told.startswith("req_")


def test_the_service_says_how_it_is(rest: Rest, lease: str) -> None:
    for prefix in ("", "/v1"):
        assert rest.client.get(f"{prefix}/health").json()["status"] == "ok"
        ready = rest.client.get(f"{prefix}/ready")
        assert (ready.status_code, ready.json()["status"]) == (200, "ready")
        assert rest.client.get(f"{prefix}/metrics").status_code == 200
    landing = rest.client.get("/").json()
    assert (landing["name"], landing["api"]) == ("ibidem", "/v1")
    engines = rest.client.get("/v1/engines").json()["data"]
    assert [(one["id"], one["supports"]) for one in engines] == [("offline", list(TASKS))]


def test_what_happened_is_counted(rest: Rest, lease: str) -> None:
    rest.client.get("/v1/documents/doc_x")
    rest.client.get(f"/v1/{'x' * 99}")
    rest.client.request("BREW", "/v1/documents")
    lines = rest.client.get("/metrics").text.splitlines()
    shown = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
    values = {name: float(value) for name, value in shown}
    assert values['ibidem_documents{status="ready"}'] >= 1
    assert values["ibidem_chunks"] >= 1
    assert values["ibidem_jobs_unfinished"] == 0
    assert values['ibidem_uploads_total{outcome="new"}'] >= 1
    route = '{method="GET",route="/documents/{document_id}",status="404"}'
    assert values[f"ibidem_http_requests_total{route}"] >= 1
    assert values['ibidem_http_requests_total{method="GET",route="(none)",status="404"}'] >= 1
    assert "xxxx" not in "".join(lines)
    assert "BREW" not in "".join(lines)


def test_a_service_whose_catalog_is_gone_is_not_ready(idle: Rest, monkeypatch: Any) -> None:
    def gone() -> int:
        raise OSError("no such file")

    monkeypatch.setattr(idle.services.catalog.jobs, "count_unfinished", gone)
    reply = idle.client.get("/ready")
    assert (reply.status_code, reply.json()["status"]) == (503, "not_ready")
    assert "OSError" in reply.json()["checks"]["catalog"]


TAKEN = ("application/json", "multipart/form-data", "application/jsonl", "application/x-ndjson")


def test_every_route_is_described(idle: Rest) -> None:
    schema = idle.client.get("/openapi.json").json()
    routes = [(p, m, r) for p, methods in schema["paths"].items() for m, r in methods.items()]
    assert len({route["operationId"] for _, _, route in routes}) == len(routes)
    for path, method, route in routes:
        place = f"{method} {path}"
        assert path.startswith("/v1/"), place
        assert route["summary"], place
        assert route["description"], place
        assert route["tags"], place
        good = [code for code in route["responses"] if code.startswith("2")]
        assert good, place
        for code in good:
            content = route["responses"][code]["content"]
            assert any(c.get("schema") or c.get("example") or t != "application/json"
                       for t, c in content.items()), place  # fmt: skip
        for code, response in route["responses"].items():
            if not code.startswith("2") and (path, code) != ("/v1/ready", "503"):
                shown = response["content"]["application/json"]
                assert shown["schema"] == {"$ref": "#/components/schemas/ErrorBody"}, place
                assert shown["example"]["error"]["code"], place
        for name in route.get("requestBody", {}).get("content", {}):
            assert name in TAKEN, place
    bodies = ("AskBody", "SearchBody", "CollectionCreate", "CollectionUpdate", "DocumentUpdate")
    bodies += ("ResumeBody",)
    for name in bodies:
        described = schema["components"]["schemas"][name]
        assert described["examples"], name
        assert described["additionalProperties"] is False, name
    assert "HTTPValidationError" not in schema["components"]["schemas"]
    assert "BearerAuth" in schema["components"]["securitySchemes"]


def test_the_documentation_page_loads_nothing_from_elsewhere(idle: Rest) -> None:
    page = idle.client.get("/docs")
    assert page.status_code == 200
    assert "POST" in page.text
    assert "/v1/ask" in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert "<script" not in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")


def test_nothing_is_left_open_after_the_service(open_rest: Callable[..., Opened]) -> None:
    with open_rest() as rest:
        app: Any = rest.client.app
    with TestClient(app, base_url="http://127.0.0.1") as again:
        assert again.get("/health").status_code == 200


@on_sqlite
def test_only_keys_that_may_go_before_others(open_rest: Callable[..., Opened]) -> None:
    first, second = map(public_name, KEYS)
    with open_rest(api_keys=KEYS, priority_keys=(second,)) as rest:

        def order(key: str, priority: int) -> list[Any]:
            headers = {"authorization": f"Bearer {key}"}
            body = {"kind": "summary", "text": "The pump is blue.", "priority": priority}
            line = '{"custom_id": "a", "question": "What is blue?"}'
            url = f"/v1/batches?priority={priority}"
            return [
                rest.client.post("/v1/analyses", json=body, headers=headers),
                rest.client.post(url, content=line, headers=headers),
            ]

        for refused in order(KEYS[0], 1):
            assert refused.status_code == 403
            error = refused.json()["error"]
            assert (error["type"], error["param"]) == ("permission_error", "priority")
            assert first in error["message"]
        for key, priority in ((KEYS[0], 0), (KEYS[0], -5), (KEYS[1], 100)):
            replies = [reply.json() for reply in order(key, priority)]
            assert [one["work"]["priority"] for one in replies] == [priority] * 2
