"""The command line without a service: start, usage, messages, exit codes, what it sends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from api import cli
from api.client import IN_PROCESS, Client
from api.commands.common import plain
from api.commands.ingest import ingest_files
from api.commands.intake import Intake, find_files
from rag.errors import IbidemError, NotFound, StorageFull

HEAVY = ("numpy", "faiss", "dbos", "onnxruntime", "sqlalchemy", "fastapi", "httpx2", "pydantic")
COMMANDS = sorted(cli.cli.commands)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IBIDEM_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def python(code: str) -> subprocess.CompletedProcess[str]:
    root = str(Path(cli.__file__).parents[1])
    return subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {root!r})\n{code}"],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("arguments", [["--help"], ["config"], ["ask", "--help"]])
def test_nothing_heavy_is_imported_before_it_is_needed(arguments: list[str]) -> None:
    done = python(
        "from api.cli import invoke\n"
        f"invoke({arguments!r})\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    assert done.returncode == 0
    assert done.stderr == "[]\n"


def test_commands_that_bring_no_work_are_spared_the_workflow_engine() -> None:
    done = python("import api.running, api.client\nprint('dbos' in sys.modules)")
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.invoke([command, "--help"]) == 0
    told = capsys.readouterr().out
    assert f"Usage: ibidem {command}" in told
    assert "\\" not in told


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ask"], "Missing argument 'QUESTION'"),
        (["nonsense"], "No such command 'nonsense'"),
        (["ask", "--nonsense", "why"], "No such option"),
        (["search", "why", "--filter", "{"], "not valid JSON"),
        (["docs", "show", "doc_1", "--span", "9-3"], "a span is START-END"),
        (["docs", "show", "doc_1", "--png", "page.png"], "--png and --page need each other"),
        (["ingest", ".", "--metadata", "year"], "not of the form KEY=VALUE"),
        (["serve", "--host", "0.0.0.0"], "IBIDEM_API_KEYS"),  # noqa: S104
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.invoke(arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("error: ")
    assert message in told.err
    assert told.err.count("\n") == 1


def test_unknown_settings_are_refused_with_those_that_exist(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IBIDEM_PROT", "9000")
    assert cli.invoke(["config"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: Unknown setting IBIDEM_PROT. Known are: ")
    assert "IBIDEM_PORT" in told


def test_config_masks_secrets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IBIDEM_API_KEYS", "a-key-of-sixteen-or-more")
    assert cli.invoke(["config", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["IBIDEM_API_KEYS"] == "(set)"
    assert shown["IBIDEM_PORT"] == 8000


def test_a_service_that_is_not_there_is_said_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.invoke(["ask", "why", "--url", "http://127.0.0.1:9"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("error: The service at http://127.0.0.1:9 cannot be reached")


def test_a_reader_that_leaves_is_no_error() -> None:
    root = str(Path(cli.__file__).parents[1])
    code = f"import sys; sys.path.insert(0, {root!r}); from api.cli import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", code, "config"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


def test_text_of_documents_does_not_steer_the_terminal() -> None:
    assert plain("a\x1b[31mred\x07\u202e\n b") == "a[31mred b"


# --- the client ---------------------------------------------------------------------------


def client_answering(*replies: httpx2.Response) -> tuple[Client, list[httpx2.Request]]:
    left, seen = list(replies), []

    def handle(request: httpx2.Request) -> httpx2.Response:
        request.read()
        seen.append(request)
        return left.pop(0)

    transport = httpx2.MockTransport(handle)
    return Client("http://service", key="the-key", transport=transport), seen


def failure(status: int, code: str, message: str) -> httpx2.Response:
    error = {"type": "t", "code": code, "message": message, "param": "p", "request_id": "r"}
    return httpx2.Response(status, json={"error": error})


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "not_found", NotFound),
        (507, "storage_full", StorageFull),
        (401, "unauthorized", IbidemError),
        (500, "ibidem_error", IbidemError),
    ],
)
def test_errors_come_back_as_what_they_were(
    status: int, code: str, kind: type[IbidemError]
) -> None:
    client, _ = client_answering(failure(status, code, "No such thing."))
    with pytest.raises(kind, match="No such thing") as caught:
        client.get("/v1/x")
    assert caught.value.param == "p"


def test_a_stranger_at_the_address_is_recognized() -> None:
    client, _ = client_answering(httpx2.Response(502, text="<h1>Bad gateway</h1>"))
    with pytest.raises(IbidemError, match=r"http://service/v1/x answered 502.*address"):
        client.get("/v1/x")


def test_the_key_is_sent_and_nothing_that_was_not_given() -> None:
    client, seen = client_answering(httpx2.Response(200, json={}), httpx2.Response(200, json={}))
    client.post("/v1/ask", {"question": "why", "top_k": None})
    client.get("/v1/documents", status=None, limit=3)
    assert seen[0].headers["authorization"] == "Bearer the-key"
    assert json.loads(seen[0].content) == {"question": "why"}
    assert seen[1].url.query == b"limit=3"


def test_lists_are_read_page_by_page() -> None:
    pages = [
        {"data": [{"id": "a"}, {"id": "b"}], "has_more": True, "last_id": "b"},
        {"data": [{"id": "c"}], "has_more": False, "last_id": "c"},
    ]
    client, seen = client_answering(*(httpx2.Response(200, json=page) for page in pages))
    assert [one["id"] for one in client.all("/v1/jobs")] == ["a", "b", "c"]
    assert b"after=b" in seen[1].url.query


# --- what is sent -------------------------------------------------------------------------


def files_below(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("Something to read.")


def test_folders_are_walked_and_hidden_things_left_out(tmp_path: Path) -> None:
    files_below(tmp_path, "b.txt", "a/c.md", "a/.d/e.txt", ".git/config", "a/.f")
    files, hidden = find_files([str(tmp_path)])
    assert [str(file.relative_to(tmp_path)) for file in files] == ["b.txt", "a/c.md"]
    assert sorted(str(Path(one.path).relative_to(tmp_path)) for one in hidden) == [
        ".git",
        "a/.d",
        "a/.f",
    ]


def test_patterns_are_expanded_and_nothing_is_sent_twice(tmp_path: Path) -> None:
    files_below(tmp_path, "a.txt", "x/b.txt", "x/[odd].txt")
    files, _ = find_files([str(tmp_path / "**/*.txt"), str(tmp_path / "a.txt")])
    assert sorted(file.name for file in files) == ["[odd].txt", "a.txt", "b.txt"]
    assert find_files([str(tmp_path / "x/[odd].txt")])[0] == [tmp_path / "x/[odd].txt"]


def test_a_path_that_names_nothing_stops_no_other(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    files, (missing,) = find_files([str(tmp_path / "nothing*"), str(tmp_path / "a.txt")])
    assert files == [tmp_path / "a.txt"]
    assert (missing.status, missing.path) == ("failed", str(tmp_path / "nothing*"))


def test_what_cannot_be_read_is_not_sent(tmp_path: Path) -> None:
    client, seen = client_answering()
    intake = Intake(client=client, collection=None, metadata={})
    (tmp_path / "backup.7z").write_bytes(b"7z\xbc\xaf" + bytes(100))
    (tmp_path / "empty.txt").touch()
    assert intake.send(tmp_path / "backup.7z").status == "skipped"
    assert intake.send(tmp_path / "empty.txt").status == "failed"
    gone = intake.send(tmp_path / "gone.txt")
    assert gone.error == {"code": "unreadable", "message": "No such file or directory"}
    assert not seen
    assert not intake.waiting


def upload_reply(status: str) -> httpx2.Response:
    document = {"id": "doc_1", "status": status, "chunk_count": 7, "media_type": "text/plain"}
    return httpx2.Response(202, json={"document": document, "job": {"id": "job_1"}})


def job_reply(status: str, error: object = None) -> httpx2.Response:
    progress = {"done": 7, "total": 7}
    return httpx2.Response(200, json={"status": status, "progress": progress, "error": error})


@pytest.mark.parametrize(
    ("reply", "status", "error"),
    [
        (job_reply("completed"), "ready", None),
        (job_reply("failed", {"code": "c", "message": "m"}), "failed", "c"),
        (job_reply("cancelled"), "failed", "deleted"),
        (failure(404, "not_found", "No job."), "failed", "deleted"),
    ],
)
def test_jobs_are_followed_to_their_end(
    tmp_path: Path, reply: httpx2.Response, status: str, error: str | None
) -> None:
    client, seen = client_answering(upload_reply("queued"), job_reply("in_progress"), reply)
    intake = Intake(client=client, collection="c", metadata={"year": 2024})
    files_below(tmp_path, "a.txt")
    assert intake.send(tmp_path / "a.txt").status == "queued"
    assert b"year" in seen[0].content
    assert intake.look() == []
    (ended,) = intake.look()
    assert (ended.status, (ended.error or {}).get("code")) == (status, error)
    assert not intake.waiting
    assert [one.status for one in intake.outcomes] == [status]


def test_small_files_are_seen_to_be_ready_behind_any_number_of_long_ones(tmp_path: Path) -> None:
    long, small = 40, 400
    asked: list[int] = []
    ended = set(range(long, long + small))

    def reply(request: httpx2.Request) -> httpx2.Response:
        number = len(intake.outcomes)
        if request.method == "POST":
            document = {"id": f"doc_{number}", "status": "queued", "media_type": "text/plain"}
            body = {"document": document, "job": {"id": f"job_{number}"}}
            return httpx2.Response(202, json=body)
        asked.append(int(request.url.path.rpartition("_")[2]))
        status = "completed" if asked[-1] in ended else "in_progress"
        progress = {"done": 1, "total": 9}
        return httpx2.Response(200, json={"status": status, "progress": progress, "error": None})

    client = Client("http://service", key=None, transport=httpx2.MockTransport(reply))
    intake = Intake(client=client, collection=None, metadata={})
    files_below(tmp_path, "a.txt")
    for _ in range(long + small):
        intake.send(tmp_path / "a.txt")
    assert sum(len(intake.look()) for _ in range(4)) == small
    asked.clear()
    for _ in range(4):
        assert intake.look() == []
    assert set(asked) == set(range(long))  # each in its turn
    assert len(asked) < 2 * long


def test_bytes_that_are_there_are_unchanged(tmp_path: Path) -> None:
    client, _ = client_answering(upload_reply("ready"))
    intake = Intake(client=client, collection=None, metadata={})
    files_below(tmp_path, "a.txt")
    assert intake.send(tmp_path / "a.txt").as_dict() == {
        "path": str(tmp_path / "a.txt"),
        "status": "unchanged",
        "document_id": "doc_1",
        "chunks": 7,
        "error": None,
        "warnings": [],
    }
    assert not intake.waiting


@pytest.mark.parametrize(
    ("address", "told"),
    [(IN_PROCESS, "`ibidem serve` runs next"), ("http://127.0.0.1:8000", "read by the service")],
)
def test_who_leaves_an_ingest_hears_who_reads_on(
    address: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def leave(_request: httpx2.Request) -> httpx2.Response:
        raise KeyboardInterrupt

    (tmp_path / "note.txt").write_text("A note.")
    client = Client(address, key=None, transport=httpx2.MockTransport(leave))
    with pytest.raises(KeyboardInterrupt):
        ingest_files(client, [(tmp_path / "note.txt", None)], None, {})
    assert told in capsys.readouterr().err
