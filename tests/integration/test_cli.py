"""The command line on a home of its own: ingest, ask, see, remove; JSON for programs."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from api.commands import patience
from api.composition import open_services
from api.settings import Settings
from ingest import pipeline as line
from ingest.intake import Incoming
from ingest.pipeline import Pipeline
from rag.catalog.texts import ChunkText
from rag.errors import EmbeddingFailed, StorageFull
from rag.types import Collection
from tests.bombs import zipped
from tests.conftest import make_home
from tests.pdfs import pdf, prose
from tests.terminal import LEASE, Terminal

PUMP = pdf(
    prose(72, 720, ["The Linnet pump moves forty litres of brine a minute."]),
    prose(72, 720, ["Its casing is of cast bronze.", "The seal is replaced every 8,000 hours."]),
    title="Linnet manual",
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder such as people have: two documents, and what is not one."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "lease.txt").write_text(LEASE)
    (folder / "manuals").mkdir()
    (folder / "manuals" / "linnet.pdf").write_bytes(PUMP)
    (folder / "manuals" / "torn.pdf").write_bytes(PUMP[:300])
    (folder / "backup.7z").write_bytes(b"7z\xbc\xaf" + bytes(64))
    (folder / ".notes").write_text("hidden")
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Path:
    """One home for all."""
    return make_home(tmp_path_factory.mktemp("cli") / "home", models)


@pytest.fixture
def ingested(terminal: Terminal, files: Path) -> dict[str, str]:
    """Ids of the two documents in the collection `boats`, by file name."""
    done = terminal.json("ingest", str(files), "--collection", "boats", code=1)
    return {
        Path(one["path"]).name: one["document_id"]
        for one in done["documents"]
        if one["status"] in ("ready", "unchanged")
    }


def test_a_folder_is_ingested_and_what_failed_is_told_with_the_reason(
    terminal: Terminal, files: Path
) -> None:
    assert (
        terminal.run("ingest", str(files), "--collection", "told", "--metadata", "year=2024") == 1
    )
    lines = terminal.out.splitlines()
    assert lines[0].split() == ["STATUS", "FILE", "WHY"]
    assert [line.split()[0] for line in lines[1:-1]] == ["skipped", "skipped", "failed"]
    assert "backup.7z" in terminal.out
    assert ".notes" in terminal.out
    assert "torn.pdf" in terminal.out
    assert lines[-1].startswith("2 ingested (")
    assert "1 failed, 2 skipped in" in lines[-1]
    assert "Made the collection 'told'" in terminal.err
    assert "lease.txt: ready, " in terminal.err

    listed = terminal.json("docs", "list", "--collection", "told", "--status", "ready")
    assert [one["metadata"] for one in listed["data"]] == [{"year": 2024}, {"year": 2024}]


def test_unchanged_files_are_no_work(
    terminal: Terminal, files: Path, ingested: dict[str, str]
) -> None:
    before = terminal.json("jobs", "list")["data"]
    done = terminal.json("ingest", str(files / "lease.txt"), "--collection", "boats")
    assert done["counts"] == {"ready": 0, "unchanged": 1, "failed": 0, "skipped": 0}
    assert done["documents"][0]["document_id"] == ingested["lease.txt"]
    assert terminal.json("jobs", "list")["data"] == before
    assert terminal.run("ingest", str(files / "lease.txt"), "--collection", "boats") == 0
    assert "0 ingested (0 chunks), 1 unchanged in" in terminal.out


def test_files_inside_files_are_followed_to_their_end(terminal: Terminal, tmp_path: Path) -> None:
    sample = Path(__file__).resolve().parents[2] / "data" / "samples" / "mail-od-05-reply.eml"
    archive = tmp_path / "letters.zip"
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("mail/reply.eml", sample.read_bytes())
        out.writestr("setup.exe", b"MZ\x90" + bytes(99))
    done = terminal.json("ingest", str(archive), "--collection", "letters")
    assert [(one["path"], one["status"]) for one in done["documents"]] == [
        (str(archive), "ready"),
        (f"{archive}/reply.eml", "ready"),
        (f"{archive}/reply.eml/SR-24-2061.pdf", "ready"),
    ]
    (warning,) = done["documents"][0]["warnings"]
    assert warning.startswith("'setup.exe' inside it was left out")
    outer, inner, _ = (one["document_id"] for one in done["documents"])
    assert terminal.json("docs", "show", inner)["parent_ids"] == [outer]
    assert terminal.run("docs", "show", outer) == 0
    assert re.search(rf"^attachment_ids: +{inner}$", terminal.out, re.MULTILINE)
    assert terminal.run("docs", "rm", outer) == 0
    assert terminal.json("docs", "list", "--collection", "letters")["data"] == []


def test_nothing_readable_is_a_failure(terminal: Terminal, files: Path) -> None:
    assert terminal.run("ingest", str(files / "backup.7z")) == 1
    assert "a 7z archive" in terminal.out


@pytest.mark.usefixtures("ingested")
def test_a_file_of_bad_metadata_does_not_stop_the_others(terminal: Terminal, files: Path) -> None:
    done = terminal.json("ingest", str(files / "lease.txt"), "--metadata", "$year=1", code=1)
    assert done["documents"][0]["error"]["code"] == "invalid_request"


@pytest.mark.usefixtures("ingested")
def test_an_answer_comes_with_numbered_places(terminal: Terminal) -> None:
    question = "How often is the seal of the Linnet pump replaced?"
    assert terminal.run("ask", question, "--collection", "boats") == 0
    answer, *places = terminal.out.split("\n\n")
    said = re.search(r"The seal is replaced every 8,000 hours\. \[(\d)\]", answer)
    assert said is not None
    heading, quote, command = places[int(said[1]) - 1].splitlines()
    assert heading == f"[{said[1]}] Linnet manual (linnet.pdf), page 2"
    assert quote.strip() == '"The seal is replaced every 8,000 hours."'
    assert command.endswith("--page 2 --png page.png")


def test_wishes_that_nobody_follows_are_said(terminal: Terminal, ingested: dict[str, str]) -> None:
    asked = ("ask", "How often is the seal replaced?", "--collection", "boats")
    assert terminal.run(*asked, "--instructions", "In German.") == 0
    assert "note: The offline engine selects" in terminal.err


def test_a_place_in_a_workbook_is_a_sheet(terminal: Terminal) -> None:
    sample = Path(__file__).parents[2] / "data" / "samples" / "service-register-2024.xlsx"
    terminal.json("ingest", str(sample), "--collection", "register")
    question = "How many service calls in 2024 were for leaking seals?"
    assert terminal.run("ask", question, "--collection", "register") == 0
    *_, place = terminal.out.split("\n\n")
    heading, quote, command = place.splitlines()
    assert heading.endswith("Service register 2024 (service-register-2024.xlsx), sheet 4")
    assert quote.strip() == '"Calls for leaking seals 3"'
    assert "--png" not in command


def test_the_printed_commands_show_the_place(
    terminal: Terminal, ingested: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    terminal.run("ask", "How often is the seal replaced?", "--collection", "boats")
    command = terminal.out.splitlines()[-1].split()
    assert command[:3] == ["ibidem", "docs", "show"]
    assert terminal.run(*command[1:]) == 0
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")

    answer = terminal.json("ask", "What is the monthly rent?", "--collection", "boats")
    citation = answer["sentences"][0]["citations"][0]
    assert citation["document_id"] == ingested["lease.txt"]
    start, end = citation["start_char_index"], citation["end_char_index"]
    assert LEASE[start:end] == citation["cited_text"]
    terminal.run("docs", "show", citation["document_id"], "--span", f"{start}-{end}")
    assert f">>>{LEASE[start:end]}<<<" in terminal.out


@pytest.mark.usefixtures("ingested")
def test_claims_get_a_verdict_each_and_the_place_that_bears_them_out(
    terminal: Terminal, tmp_path: Path
) -> None:
    claims = ("The seal is replaced every 8,000 hours.", "The pump is painted green.")
    assert terminal.run("verify", *claims, "--collection", "boats") == 0
    first, second = terminal.out.split("not found: ")
    assert re.match(r"supported \(0\.\d\d\): The seal is replaced every 8,000 hours\.\n", first)
    assert "Linnet manual (linnet.pdf), page 2" in first
    assert '"The seal is replaced every 8,000 hours."' in first
    assert "ibidem docs show doc_" in first
    assert second == "The pump is painted green.\n"
    note = tmp_path / "note.txt"
    note.write_text("The pump is painted green.")
    found = terminal.json("verify", claims[1], "--text", str(note))
    assert [one["verdict"] for one in found["data"]] == ["supported"]
    assert terminal.run("verify", "The pump is painted green.", "--text", str(note)) == 0
    assert "docs show" not in terminal.out
    assert terminal.run("verify") == 2


@pytest.mark.usefixtures("ingested")
def test_what_the_documents_do_not_say_is_said_plainly(terminal: Terminal) -> None:
    question = "Who won the Nobel Prize in Physics in 1921?"
    assert terminal.run("ask", question, "--collection", "boats") == 0
    assert terminal.out == "Not found in these documents.\n"
    assert terminal.json("ask", question, "--collection", "boats")["found"] is False


@pytest.mark.usefixtures("ingested")
@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
def test_search_lists_passages_best_first(terminal: Terminal, mode: str) -> None:
    found = terminal.json("search", "bronze casing", "--collection", "boats", "--mode", mode)
    scores = [passage["score"] for passage in found["passages"]]
    assert "bronze" in found["passages"][0]["text"]
    assert scores == sorted(scores, reverse=True)
    assert terminal.run("search", "bronze casing", "--collection", "boats", "--mode", mode) == 0
    assert terminal.out.startswith("1. Linnet manual (linnet.pdf), page")


@pytest.mark.usefixtures("ingested")
def test_filters_are_applied_and_bad_ones_refused(terminal: Terminal) -> None:
    where = ("--collection", "boats", "--filter")
    assert terminal.run("search", "rent", *where, '{"name": {"$eq": "none"}}') == 0
    assert terminal.out == "Nothing found.\n"
    assert terminal.run("search", "rent", *where, '{"name": {"$like": "x"}}') == 2
    assert terminal.err.startswith("error: ")
    assert "$like" in terminal.err


def test_documents_are_listed_shown_and_removed(
    terminal: Terminal, files: Path, tmp_path: Path
) -> None:
    (tmp_path / "note.md").write_text("# Note\n\nThe gate code is 4711.\n")
    done = terminal.json("ingest", str(tmp_path / "note.md"), "--collection", "notes")
    document_id = done["documents"][0]["document_id"]
    assert terminal.run("docs", "list", "--collection", "notes") == 0
    assert document_id in terminal.out
    assert terminal.run("docs", "show", document_id) == 0
    assert re.search(r"^name: +note\.md$", terminal.out, re.MULTILINE)
    assert terminal.json("docs", "show", document_id)["id"] == document_id
    assert terminal.run("docs", "rm", document_id) == 0
    assert terminal.out == f"Deleted {document_id}.\n"
    assert terminal.run("docs", "show", document_id) == 1
    assert terminal.err == f"error: No document {document_id!r}.\n"
    assert terminal.json("search", "gate code", "--collection", "notes")["passages"] == []


def test_a_place_behind_the_text_is_an_error(terminal: Terminal, ingested: dict[str, str]) -> None:
    assert terminal.run("docs", "show", ingested["lease.txt"], "--span", "9-99999") == 2
    assert terminal.err == f"error: lease.txt has {len(LEASE)} characters, and no place 9-99999.\n"


def test_jobs_are_listed_and_shown(terminal: Terminal, ingested: dict[str, str]) -> None:
    document = terminal.json("docs", "show", ingested["lease.txt"])
    job = terminal.json("jobs", "show", document["job_id"])
    assert (job["status"], job["document_id"]) == ("completed", document["id"])
    assert terminal.run("jobs", "list", "--status", "failed") == 0
    assert "ID" in terminal.out.splitlines()[0]
    assert terminal.run("jobs", "show", "job_none") == 1
    assert terminal.err == "error: No job 'job_none'.\n"
    assert terminal.run("jobs", "watch", document["job_id"]) == 0
    assert "completed" in terminal.out
    assert "lease.txt" in terminal.out
    assert terminal.run("jobs", "list") == 0
    assert "linnet.pdf" in terminal.out


@pytest.mark.usefixtures("ingested")
def test_a_sound_store_is_audited_clean(terminal: Terminal) -> None:
    assert terminal.json("audit") == {"object": "audit", "findings": []}
    assert terminal.run("audit", "--repair") == 0
    assert terminal.out.startswith("Nothing found")


def test_a_lost_original_is_found(terminal: Terminal, home: Path, tmp_path: Path) -> None:
    (tmp_path / "lost.txt").write_text("This original will be lost to the sea.")
    done = terminal.json("ingest", str(tmp_path / "lost.txt"), "--collection", "lost")
    document = terminal.json("docs", "show", done["documents"][0]["document_id"])
    original = next(home.glob(f"originals/**/{document['sha256']}*"))
    original.unlink()
    assert terminal.run("audit") == 1
    assert document["id"] in terminal.out or document["sha256"] in terminal.out
    terminal.run("docs", "rm", document["id"])
    assert terminal.run("audit") == 0


def test_engines_are_listed(terminal: Terminal) -> None:
    assert terminal.run("engines") == 0
    assert "offline" in terminal.out
    assert terminal.json("engines")["data"][0]["id"] == "offline"


def test_a_collection_is_pinned_to_an_engine(terminal: Terminal, files: Path) -> None:
    lease = str(files / "lease.txt")
    into = ("--collection", "pinned", "--engine")
    assert terminal.run("ingest", lease, *into, "gpt") == 2
    assert "there are: offline" in terminal.err
    assert terminal.run("ingest", lease, "--collection", "pinned") == 0
    assert terminal.run("ingest", lease, *into, "offline") == 0
    assert "'pinned' is answered by offline from now on" in terminal.err
    assert terminal.run("ingest", lease, *into, "offline") == 0
    assert "from now on" not in terminal.err
    asked = ("ask", "What is the rent?", "--collection", "pinned", "--engine")
    assert terminal.json(*asked, "offline")["engine"] == "offline"
    assert terminal.run(*asked, "gpt") == 2
    assert terminal.run("ingest", lease, "--engine", "offline") == 2


def test_what_engines_did_is_the_services_to_say(terminal: Terminal) -> None:
    assert terminal.run("engines", "--stats") == 0
    assert "Nothing was asked yet" in terminal.err
    assert terminal.json("engines", "--stats")["data"] == []


def test_a_collection_that_is_not_there_is_an_error(terminal: Terminal) -> None:
    assert terminal.run("ask", "why", "--collection", "none") == 1
    assert terminal.err == "error: No collection 'none'.\n"


def test_a_full_disk_stops_with_the_reason(
    terminal: Terminal, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object, **_named: object) -> None:
        raise StorageFull

    monkeypatch.setattr("ingest.originals.Originals.receive", full)
    assert terminal.run("ingest", str(files / "lease.txt"), "--collection", "full") == 1
    assert terminal.err.endswith("error: The disk is full; nothing was stored.\n")


@pytest.mark.usefixtures("ingested")
def test_asking_where_nothing_is_names_where_something_is(terminal: Terminal) -> None:
    for command in ("ask", "search"):
        assert terminal.run(command, "What is blue?") == 0
        assert "There are no documents in 'default'." in terminal.err
        assert "boats (3)" in terminal.err


def test_the_bare_command_explains_itself(terminal: Terminal) -> None:
    assert terminal.run() == 2
    assert "Commands:\n" in terminal.err


def test_a_folder_without_files_says_so(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert terminal.run("ingest", str(tmp_path / "empty")) == 1
    assert "There is no file in this folder." in terminal.out


def test_no_command_waits_for_ever_for_what_an_earlier_one_left(
    tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch, terminal: Terminal
) -> None:
    home = make_home(tmp_path / "home", models)
    monkeypatch.setenv("IBIDEM_HOME", str(home))
    with open_services(Settings(home=home)) as services:
        stuck, _ = services.upload(
            services.collection("default", None),
            Incoming(name="stuck.txt", metadata={}),
            [b"The wedge is stuck."],
        )
    (tmp_path / "b.txt").write_text("Valves.")
    real = line.missing_vectors

    def failing(pipeline: Pipeline, collection: Collection, chunks: Sequence[ChunkText]) -> Any:
        if "stuck" in chunks[0].text:
            raise EmbeddingFailed
        return real(pipeline, collection, chunks)

    with monkeypatch.context() as patched:
        patched.setattr(patience, "_PATIENCE_S", 0.5)
        patched.setattr(line, "missing_vectors", failing)
        assert terminal.run("ingest", str(tmp_path / "b.txt")) == 0
        assert f"stuck.txt: {EmbeddingFailed().message}" in terminal.err
        assert terminal.run("jobs", "watch") == 1
        assert EmbeddingFailed().message in terminal.out
    assert terminal.run("jobs", "watch", stuck.job_id) == 0


def test_watching_tells_of_each_job_once_also_of_files_inside(
    tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch, terminal: Terminal
) -> None:
    home = make_home(tmp_path / "home", models)
    monkeypatch.setenv("IBIDEM_HOME", str(home))
    inner = zipped([("deepest.txt", b"The seal is worn.")])
    outer = zipped([("first.txt", b"The pump is blue."), ("inner.zip", inner)])
    with open_services(Settings(home=home)) as services:  # nobody reads what is accepted
        for name, content in (("outer.zip", outer), ("other.txt", b"The motor is green.")):
            services.upload(
                services.collection("default", None),
                Incoming(name=name, metadata={}),
                [content],
            )
        [first, *_] = services.catalog.jobs.unfinished()
    assert terminal.run("jobs", "watch", first.id) == 0
    seen = [line.split()[4] for line in terminal.out.splitlines()]
    assert sorted(seen) == ["deepest.txt", "first.txt", "inner.zip", "outer.zip"]
    assert terminal.run("jobs", "watch") == 0  # "other.txt" was read on the way, or is now
    assert len(terminal.out.splitlines()) <= 1


def test_a_collection_is_indexed_anew_and_set_back(
    terminal: Terminal, ingested: dict[str, str]
) -> None:
    assert terminal.run("reindex", "boats", "--chunking", "fixed", "--size", "16") == 0
    assert "is searched by index 2 now" in terminal.out
    assert "fixed 16" in terminal.out
    assert "`ibidem rollback boats` goes back to index 1" in terminal.err
    assert terminal.run("reindex", "boats", "--size", "16") == 2
    assert "like this already" in terminal.err
    assert terminal.run("reindex", "boats", "--model", "nothing") == 2
    assert "IBIDEM_EMBEDDERS" in terminal.err
    job = terminal.json("rollback", "boats")
    assert (job["kind"], job["status"]) == ("reindex", "completed")
    assert terminal.json("search", "monthly rent", "--collection", "boats")["passages"]
    assert terminal.run("audit") == 0
