"""Uploading, listing, reading, changing and deleting documents over REST."""

from __future__ import annotations

import io
import threading
from typing import Any

import pytest
from openpyxl import Workbook
from PIL import Image

from tests.integration.conftest import LEASE, PUMP, Rest
from tests.pdfs import pdf, prose
from tests.scans import LETTER, drawing, needs_tesseract, scan


def test_an_upload_is_acknowledged_with_a_document_and_a_job(rest: Rest) -> None:
    reply = rest.upload("notes.txt", b"The mast is of spruce.", metadata={"kind": "note"})
    assert reply.status_code == 202
    document, job = reply.json()["document"], reply.json()["job"]
    assert document["name"] == "notes.txt"
    assert document["metadata"] == {"kind": "note"}
    assert document["job_id"] == job["id"]
    assert job["document_id"] == document["id"]
    ended = rest.wait(job["id"])
    assert (ended["status"], ended["progress"]) == (
        "completed",
        {"done": 1, "total": 1, "unit": "chunks"},
    )
    shown = rest.client.get(f"/v1/documents/{document['id']}").json()
    assert (shown["status"], shown["text_length"]) == ("ready", 22)


def test_the_same_bytes_again_are_the_same_document_and_no_work(rest: Rest, lease: str) -> None:
    jobs = rest.client.get("/v1/jobs", params={"limit": 100}).json()["data"]
    reply = rest.upload("other-name.txt", LEASE.encode())
    assert reply.status_code == 200
    assert reply.json()["document"]["id"] == lease
    assert reply.json()["document"]["name"] == "lease.txt"
    assert rest.client.get("/v1/jobs", params={"limit": 100}).json()["data"] == jobs


def test_the_same_file_sent_twice_at_once_is_one_document(idle: Rest) -> None:
    replies: list[Any] = []
    start = threading.Barrier(6)

    def send() -> None:
        start.wait()
        replies.append(idle.upload("a.txt", b"one and the same " * 2000))

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(reply.status_code for reply in replies) == [200] * 5 + [202]
    assert len({reply.json()["document"]["id"] for reply in replies}) == 1
    assert idle.services.catalog.jobs.count_unfinished() == 1


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("../../etc/passwd.txt", "passwd.txt"),
        ("a\0b.txt", "ab.txt"),
        ("x" * 1000 + ".txt", "x" * 251 + ".txt"),
        ("", "untitled"),
        ("..", "untitled"),
        ("Prüfbericht 第一.txt", "Prüfbericht 第一.txt"),
        (r"C:\docs\a.txt", "a.txt"),
    ],
)
def test_names_are_made_fit_to_be_shown(idle: Rest, sent: str, shown: str) -> None:
    head = f'--B\r\nContent-Disposition: form-data; name="file"; filename="{sent}"\r\n\r\n'
    reply = idle.client.post(
        "/v1/documents",
        content=head.encode() + b"text\r\n--B--\r\n",
        headers={"content-type": "multipart/form-data; boundary=B"},
    )
    assert reply.status_code == 202, reply.text
    assert reply.json()["document"]["name"] == shown


def test_fields_may_come_after_the_file(idle: Rest) -> None:
    body = (
        b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhello\r\n'
        b'--B\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n{"n": 1}\r\n--B--'
    )
    reply = idle.client.post(
        "/v1/documents",
        content=body,
        headers={"content-type": "multipart/form-data; boundary=B"},
    )
    assert reply.status_code == 202, reply.text
    assert reply.json()["document"]["metadata"] == {"n": 1}


def test_lists_are_paged_in_both_orders_and_filtered(idle: Rest) -> None:
    ids = [
        idle.upload(f"{n}.txt", f"number {n}".encode(), metadata={"n": n}).json()["document"]["id"]
        for n in range(5)
    ]

    def walk(**params: Any) -> list[list[str]]:
        pages, after = [], None
        while True:
            page = idle.client.get(
                "/v1/documents",
                params={"limit": 2, **params, **({"after": after} if after else {})},
            ).json()
            shown = [document["id"] for document in page["data"]]
            assert (page["first_id"], page["last_id"]) == (shown[0], shown[-1])
            pages.append(shown)
            if not page["has_more"]:
                return pages
            after = page["last_id"]

    assert walk(order="asc") == [ids[0:2], ids[2:4], ids[4:]]
    assert walk() == [ids[:2:-1], ids[2:0:-1], ids[:1]]
    assert walk(order="asc", filter='{"n": {"$gte": 3}}') == [ids[3:]]
    assert walk(order="asc", collection="default", status="queued", limit=100) == [ids]
    empty = idle.client.get("/v1/documents", params={"status": "ready"}).json()
    assert empty == {
        "object": "list", "data": [], "has_more": False, "first_id": None, "last_id": None,
    }  # fmt: skip


def test_a_document_is_renamed_and_described_anew(idle: Rest) -> None:
    document = idle.upload("a.txt", b"hello", metadata={"n": 1}).json()["document"]["id"]
    changed = idle.client.patch(f"/v1/documents/{document}", json={"name": "../b.txt"}).json()
    assert (changed["name"], changed["metadata"]) == ("b.txt", {"n": 1})
    changed = idle.client.patch(f"/v1/documents/{document}", json={"metadata": {"m": None}}).json()
    assert (changed["name"], changed["metadata"]) == ("b.txt", {"m": None})


def test_the_original_comes_back_and_cannot_run_as_a_page(idle: Rest) -> None:
    page = b"<html><script>fetch('/v1/documents')</script><p>hello</p></html>"
    document = idle.upload('pa"ge ü.html', page).json()["document"]["id"]
    reply = idle.client.get(f"/v1/documents/{document}/content")
    assert reply.content == page
    assert reply.headers["content-type"].startswith("text/html")
    assert reply.headers["content-disposition"].startswith("attachment; filename")
    assert reply.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["cache-control"] == "private, no-cache"


def test_text_is_sliced_by_code_points(
    rest: Rest, lease: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = rest.client.get(f"/v1/documents/{lease}/text").json()
    assert (whole["text"], whole["text_length"]) == (LEASE, len(LEASE))
    smiley = LEASE.index("😀")
    part = rest.client.get(
        f"/v1/documents/{lease}/text", params={"start": smiley, "end": smiley + 5}
    ).json()
    assert (part["start"], part["end"], part["text"]) == (smiley, smiley + 5, "😀 The")
    with monkeypatch.context() as patched:
        patched.setattr("api.routes.contents._LONGEST_TEXT", 100)
        pieces = []
        while (start := sum(map(len, pieces))) < whole["text_length"]:
            path = f"/v1/documents/{lease}/text"
            piece = rest.client.get(path, params={"start": start}).json()
            assert piece["end"] == start + len(piece["text"]) <= start + 100
            pieces.append(piece["text"])
        assert "".join(pieces) == whole["text"]
    beyond = rest.client.get(f"/v1/documents/{lease}/text", params={"start": 10**6}).json()
    assert (beyond["start"], beyond["end"], beyond["text"]) == (len(LEASE), len(LEASE), "")


def test_chunks_are_spans_of_the_text(rest: Rest, lease: str) -> None:
    first = rest.client.get(f"/v1/documents/{lease}/chunks", params={"limit": 1}).json()
    chunks, page = first["data"], first
    while page["has_more"]:
        page = rest.client.get(
            f"/v1/documents/{lease}/chunks", params={"limit": 1, "after": page["last_id"]}
        ).json()
        chunks += page["data"]
    assert [chunk["id"] for chunk in chunks] == [str(n) for n in range(len(chunks))]
    assert len(chunks) == rest.client.get(f"/v1/documents/{lease}").json()["chunk_count"]
    for chunk in chunks:
        assert LEASE[chunk["start_char_index"] : chunk["end_char_index"]] == chunk["text"]


def test_a_span_is_marked_on_its_page_alone(rest: Rest, pump: str) -> None:
    text = rest.client.get(f"/v1/documents/{pump}/text").json()["text"]
    start = text.index("cast bronze")
    place = f"/v1/documents/{pump}/pages"
    marks = {"highlight": f"{start}-{start + 11}", "width": 600}
    plain = {number: _image(rest, f"{place}/{number}.png", width=600) for number in (1, 2)}
    assert plain[1].width == 600
    assert plain[2].tobytes() != _image(rest, f"{place}/2.png", **marks).tobytes()
    elsewhere = rest.client.get(f"{place}/1.png", params=marks)
    assert elsewhere.status_code == 422
    assert elsewhere.json()["error"]["message"].endswith("has no place on page 1; it is on page 2.")


@needs_tesseract
def test_pages_say_whether_their_text_was_recognized(rest: Rest) -> None:
    scanned = drawing(scan(), 420, 595)
    digital = prose(40, 500, LETTER)
    size = "/MediaBox [0 0 420 595]"
    document_id = rest.ready("mixed.pdf", pdf(digital, scanned, digital, page=size))
    document = rest.client.get(f"/v1/documents/{document_id}").json()
    assert document["warnings"][0].startswith("read by text recognition (OCR, eng")
    place = f"/v1/documents/{document_id}/pages"
    first = rest.client.get(place, params={"limit": 2}).json()
    rest_of_it = rest.client.get(place, params={"after": first["last_id"]}).json()
    assert (first["has_more"], rest_of_it["has_more"]) == (True, False)
    pages = first["data"] + rest_of_it["data"]
    assert [page["source"] for page in pages] == ["text", "ocr", "text"]
    text = rest.client.get(f"/v1/documents/{document_id}/text").json()["text"]
    assert [page["start_char_index"] for page in pages[1:]] == [
        page["end_char_index"] for page in pages[:-1]
    ]
    start, end = pages[1]["start_char_index"], pages[1]["end_char_index"]
    assert text[start:end].split() == " ".join(LETTER).split()
    plain = _image(rest, f"{place}/2.png", width=300)
    marked = _image(rest, f"{place}/2.png", width=300, highlight=f"{start}-{start + 13}")
    assert plain.tobytes() != marked.tobytes()


def _image(rest: Rest, path: str, **params: Any) -> Image.Image:
    reply = rest.client.get(path, params=params)
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"] == "image/png"
    assert reply.headers["cache-control"].startswith("private")
    assert reply.headers["x-content-type-options"] == "nosniff"
    return Image.open(io.BytesIO(reply.content)).convert("RGB")


def test_a_deleted_document_is_gone_from_everywhere(rest: Rest) -> None:
    content = b"The zymurgist keeps seventeen barrels of porter."
    document = rest.ready("porter.txt", content)
    body = {"query": "zymurgist porter barrels", "mode": "lexical"}
    assert (
        rest.client.post("/v1/search", json=body).json()["passages"][0]["document_id"] == document
    )
    gone = rest.client.delete(f"/v1/documents/{document}")
    assert gone.json() == {"id": document, "object": "document", "deleted": True}
    assert rest.client.post("/v1/search", json=body).json()["passages"] == []
    for path in ("", "/content", "/text", "/chunks", "/pages/1.png"):
        assert rest.client.get(f"/v1/documents/{document}{path}").status_code == 404
    assert rest.client.delete(f"/v1/documents/{document}").status_code == 404
    assert rest.ready("porter.txt", content) == document


def test_what_cannot_be_read_says_why_and_can_be_sent_again(rest: Rest) -> None:
    reply = rest.upload("broken.pdf", PUMP[:300])
    job = rest.wait(reply.json()["job"]["id"])
    document = reply.json()["document"]["id"]
    assert (job["status"], job["error"]["code"]) == ("failed", "corrupt_document")
    shown = rest.client.get(f"/v1/documents/{document}").json()
    assert (shown["status"], shown["error"]) == ("failed", job["error"])
    text = rest.client.get(f"/v1/documents/{document}/text")
    assert text.status_code == 409
    assert job["error"]["message"] in text.json()["error"]["message"]
    assert rest.client.get(f"/v1/documents/{document}/content").content == PUMP[:300]
    again = rest.upload("broken.pdf", PUMP[:300])
    assert again.status_code == 202
    assert again.json()["job"]["id"] != job["id"]
    rest.wait(again.json()["job"]["id"])


def test_formats_without_pages_have_no_page_images(rest: Rest, lease: str, pump: str) -> None:
    none = rest.client.get(f"/v1/documents/{lease}/pages/1.png")
    assert none.status_code == 404
    assert "has no pages" in none.json()["error"]["message"]
    book = Workbook()
    book.active["A1"] = "Rent of the boat house"
    saved = io.BytesIO()
    book.save(saved)
    sheet = rest.wait(rest.upload("rents.xlsx", saved.getvalue()).json()["job"]["id"])
    for number in (1, 50):  # to choose another number would not help
        none = rest.client.get(f"/v1/documents/{sheet['document_id']}/pages/{number}.png")
        assert none.status_code == 404
        assert "sheets" in none.json()["error"]["message"]
    beyond = rest.client.get(f"/v1/documents/{pump}/pages/3.png")
    assert beyond.status_code == 404
    assert "2 pages" in beyond.json()["error"]["message"]
