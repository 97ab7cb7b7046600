"""Chunking as a user chooses it: previewed, refused, and used by a collection."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from api import cli
from tests.integration.conftest import LEASE, PUMP, Opened, Rest

MANUAL = (
    "# Linnet\n\nThe Linnet moves brine.\n\n## Seals\n\nThe seal is replaced every 8,000 hours.\n\n"
    "| Part | Hours |\n|---|---|\n| Seal | 8,000 |\n| Bearing | 20,000 |\n\n"
    "Known\nFaults\n---\n\n" + "A noise like gravel means cavitation. " * 12
)
STRATEGIES = (
    {"strategy": "recursive", "size": 40, "overlap": 8},
    {"strategy": "fixed", "size": 40, "overlap": 8},
    {"strategy": "sentence", "size": 40, "overlap": 1},
    {"strategy": "structure", "size": 40, "overlap": 0},
    {"strategy": "semantic", "size": 40, "group": 16},
    {
        "strategy": "llama_index:llama_index.core.node_parser.MarkdownNodeParser",
        "size": 40,
        "options": {"header_path_separator": " / "},
    },
)


def preview(rest: Rest, name: str, content: bytes, chunking: Any = None, **query: Any) -> Any:
    fields = {} if chunking is None else {"chunking": json.dumps(chunking)}
    return rest.client.post(
        "/v1/chunks:preview", files={"file": (name, content)}, data=fields, params=query
    )


@pytest.mark.parametrize("chunking", STRATEGIES, ids=lambda one: one["strategy"])
def test_a_file_is_previewed_as_a_collection_would_cut_it(
    rest: Rest, chunking: Mapping[str, Any]
) -> None:
    shown = preview(rest, "manual.md", MANUAL.encode(), chunking).json()
    assert shown["chunking"] == chunking
    assert (shown["media_type"], shown["title"]) == ("text/markdown", "Linnet")
    assert shown["text_length"] == len(MANUAL)
    made = rest.client.post(
        "/v1/collections", json={"name": str(chunking["strategy"])[:20], "chunking": chunking}
    ).json()
    assert made["chunking"] == chunking
    document = rest.ready("manual.md", MANUAL.encode(), collection=made["id"])
    stored = rest.client.get(f"/v1/documents/{document}/chunks?limit=100").json()["data"]
    assert [
        {k: v for k, v in one.items() if k != "heading_path"} for one in shown["data"]
    ] == stored
    for one in shown["data"]:
        assert MANUAL[one["start_char_index"] : one["end_char_index"]] == one["text"]
        assert 0 < one["tokens"] <= 40
    assert shown["statistics"]["chunks"] == len(stored)
    assert shown["data"][-1]["heading_path"] == ["Linnet", "Known Faults"]
    found = rest.client.post(
        "/v1/search", json={"query": "When is the seal replaced?", "collection": made["id"]}
    ).json()
    assert any("8,000" in passage["text"] for passage in found["passages"])


def test_a_preview_stores_nothing(idle: Rest) -> None:
    shown = preview(idle, "pump.pdf", PUMP).json()
    assert shown["chunking"] == idle.services.chunking()
    assert shown["statistics"]["chunks"] == len(shown["data"]) == 1
    assert idle.client.get("/v1/documents").json()["data"] == []
    assert idle.client.get("/v1/collections").json()["data"] == []
    assert list(idle.services.originals.all()) == []
    assert not list((idle.services.home.originals / "incoming").iterdir())


def test_a_text_is_previewed_and_the_rest_counted(idle: Rest) -> None:
    body = {"text": LEASE, "chunking": {"strategy": "sentence", "size": 32, "overlap": 1}}
    shown = idle.client.post("/v1/chunks:preview?limit=2", json=body).json()
    assert len(shown["data"]) == 2
    assert shown["has_more"]
    figures = shown["statistics"]
    assert figures["chunks"] > 2
    assert 0 < figures["fewest_tokens"] <= figures["median_tokens"] <= figures["most_tokens"] <= 32
    assert figures["repeated"] > 0
    first, second = shown["data"]
    assert second["start_char_index"] < first["end_char_index"]


BAD: tuple[tuple[Any, str], ...] = (
    ({"strategy": "magic"}, "chunking.strategy"),
    ({"strategy": "llama_index:os.system"}, "chunking.strategy"),
    ({"strategy": 3}, "chunking.strategy"),
    ({"size": 1}, "chunking.size"),
    ({"size": 1000}, "chunking.size"),
    ({"size": "many"}, "chunking.size"),
    ({"size": 100, "overlap": 60}, "chunking.overlap"),
    ({"strategy": "semantic", "overlap": 8}, "chunking.overlap"),
    ({"strategy": "semantic", "group": 150}, "chunking.group"),
    ({"strategy": "structure", "options": {"a": 1}}, "chunking.options"),
    ({"strategy": "llama_index:SentenceSplitter", "options": {"a": 1}}, "chunking.options.a"),
    ({"sise": 100}, "chunking.sise"),
)


@pytest.mark.parametrize(("chunking", "param"), BAD)
def test_wrong_settings_are_refused_alike_everywhere(rest: Rest, chunking: Any, param: str) -> None:
    replies = (
        preview(rest, "a.txt", b"some text", chunking),
        rest.client.post("/v1/chunks:preview", json={"text": "some text", "chunking": chunking}),
        rest.client.post("/v1/collections", json={"name": "refused", "chunking": chunking}),
    )
    for reply in replies:
        error = reply.json()["error"]
        assert (reply.status_code, error["param"]) == (422, param), error
        assert error["message"] == replies[0].json()["error"]["message"]


def test_wrong_bodies_are_refused(idle: Rest) -> None:
    post = idle.client.post
    path, as_json = "/v1/chunks:preview", {"content-type": "application/json"}
    for reply, status, code in (
        (post(path, content=b"{", headers=as_json), 400, "malformed_json"),
        (post(path, content=b"[" * 100_000, headers=as_json), 400, "malformed_json"),
        (post(path, content=b"[]", headers=as_json), 422, "invalid_request"),
        (post(path, json={"chunking": {}}), 422, "invalid_request"),
        (post(path, json={"text": "a\0b"}), 422, "invalid_request"),
        (post(path, json={"text": " \n "}), 422, "empty_document"),
        (post(path, json={"text": "x" * 1_100_000}), 413, "payload_too_large"),
        (post(path, content=b"x", headers={"content-type": "text/plain"}), 415, "unsupported_type"),
        (post(path, data={"chunking": "{}"}), 415, "unsupported_type"),
        (preview(idle, "a.txt", b""), 422, "empty_document"),
        (preview(idle, "a.bin", b"\x7fELF\0\0"), 415, "unsupported_type"),
        (preview(idle, "a.txt", b"x" * 1_100_000), 413, "payload_too_large"),
        (preview(idle, "a.txt", b"x", [1]), 422, "invalid_request"),
        (preview(idle, "a.txt", b"x", limit=0), 422, "invalid_request"),
    ):
        assert (reply.status_code, reply.json()["error"]["code"]) == (status, code), reply.text
    assert not list((idle.services.home.originals / "incoming").iterdir())


def test_a_parser_that_makes_text_up_fails_the_document_and_says_so(rest: Rest) -> None:
    chunking = {"strategy": "llama_index:llama_index.core.node_parser.JSONNodeParser"}
    made = rest.client.post("/v1/collections", json={"name": "json", "chunking": chunking}).json()
    content = b'{"pump": {"seal": "eight"}}'
    reply = rest.upload("a.txt", content, collection=made["id"]).json()
    job = rest.wait(reply["job"]["id"])
    assert (job["status"], job["error"]["code"]) == ("failed", "chunking_failed")
    shown = preview(rest, "a.txt", content, chunking)
    assert (shown.status_code, shown.json()["error"]["code"]) == (422, "chunking_failed")
    assert "only cuts the text" in shown.json()["error"]["message"]


def test_the_command_shows_chunks_and_figures(
    open_rest: Callable[..., Opened],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with open_rest():
        pass  # makes the home, with its model
    monkeypatch.setenv("IBIDEM_HOME", str(tmp_path / "home"))
    file = tmp_path / "manual.md"
    file.write_text(MANUAL, "utf-8")
    arguments = ["chunks", str(file), "--strategy", "structure", "--size", "40"]
    assert cli.invoke(arguments) == 0
    printed = capsys.readouterr().out
    assert "Linnet > Seals" in printed
    assert "structure (size 40)" in printed
    assert cli.invoke([*arguments, "--limit", "1", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (len(shown["data"]), shown["has_more"]) == (1, True)
    assert cli.invoke([*arguments, "--overlap", "30"]) == 2
    assert "overlap must be" in capsys.readouterr().err
    assert cli.invoke(["chunks", str(tmp_path / "none.md")]) == 2
