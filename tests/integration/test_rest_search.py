"""Options of searching over REST: what differs, and what stands around."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.conftest import Rest

CHAPTERS = {"Seals": "seal", "Casings": "casing", "Shafts": "shaft"}
MANUAL = "# Manual\n\n" + "\n".join(
    f"## {title}\n\n"
    + " ".join(f"Rule {number} says how the {part} is kept dry." for number in range(1, 13))
    + f" The {part} of brass is number {part.upper()}7.\n"
    for title, part in CHAPTERS.items()
)
LONG = "# Log\n\n" + "\n\n".join(
    f"On day {day} the brine stood at {day * 7} litres and nobody was on the bridge."
    for day in range(400)
)


@pytest.fixture(scope="module")
def texts(rest: Rest) -> tuple[Rest, dict[str, str]]:
    """Documents in small chunks."""
    chunking = {"strategy": "recursive", "size": 40, "overlap": 8}
    made = rest.client.post("/v1/collections", json={"name": "c", "chunking": chunking})
    assert made.status_code == 201, made.text
    files = {
        "manual.md": MANUAL,
        "log.md": LONG,
        **{f"copy{number}.txt": "The gate opens at nine in summer." for number in range(3)},
        "other.txt": "In winter the gate stays shut until ten, says the warden.",
    }
    # Copies differ by a line, or they would be one document.
    return rest, {
        name: rest.ready(name, f"{text}\n{name[:-4]}".encode(), collection="c")
        for name, text in files.items()
    }


def search(rest: Rest, query: str, **options: Any) -> list[Any]:
    body = {"query": query, "collection": "c", **options}
    reply = rest.client.post("/v1/search", json=body)
    assert reply.status_code == 200, reply.text
    return list(reply.json()["passages"])


def text_of(rest: Rest, document: str) -> str:
    return str(rest.client.get(f"/v1/documents/{document}/text").json()["text"])


def check_place(whole: str, passage: Any) -> str:
    """The context is a stretch of the text, and the passage stands in it."""
    context = passage["context"]
    start, end = context["start_char_index"], context["end_char_index"]
    assert whole[start:end] == context["text"]
    assert start <= passage["start_char_index"] < passage["end_char_index"] <= end
    assert len(context["text"]) <= 8_000
    return str(context["text"])


def test_neighbours_are_the_chunks_beside(texts: tuple[Rest, dict[str, str]]) -> None:
    rest, ids = texts
    manual = ids["manual.md"]
    whole = text_of(rest, manual)
    chunks = rest.client.get(f"/v1/documents/{manual}/chunks", params={"limit": 100}).json()["data"]
    places = [(one["start_char_index"], one["end_char_index"]) for one in chunks]
    (found,) = search(rest, "which casing is of brass?", top_k=1, context="neighbours")
    check_place(whole, found)
    own = (found["start_char_index"], found["end_char_index"])
    place = places.index(own)
    context = found["context"]
    assert (context["start_char_index"], context["end_char_index"]) == (
        places[place - 1][0],
        places[place + 1][1],
    )
    (plain,) = search(rest, "which casing is of brass?", top_k=1)
    assert plain["context"] is None
    assert {**found, "context": None} == plain


def test_a_section_begins_at_its_heading_and_ends_before_the_next(
    texts: tuple[Rest, dict[str, str]],
) -> None:
    rest, ids = texts
    whole = text_of(rest, ids["manual.md"])
    for title, part in CHAPTERS.items():
        query = f'"number {part.upper()}7"'
        (found,) = search(rest, query, top_k=1, context="section", mode="lexical")
        section = check_place(whole, found)
        place = whole.index(f"## {title}")
        end = (whole + "\n## ").index("\n## ", place) + 1
        assert whole[place:end].strip() in section
        # A chunk may reach into the next section; nothing else of that comes along.
        assert found["context"]["start_char_index"] == place
        assert found["context"]["end_char_index"] <= max(end, found["end_char_index"])
        assert section.count("Rule 12 ") == 1


def test_a_long_section_is_cut_around_the_passage(texts: tuple[Rest, dict[str, str]]) -> None:
    rest, ids = texts
    whole = text_of(rest, ids["log.md"])
    (found,) = search(rest, "brine on day 200", top_k=1, context="section", mode="lexical")
    section = check_place(whole, found)
    before = section.index(found["text"])
    after = len(section) - before - len(found["text"])
    assert 7_500 < len(section) <= 8_000
    assert min(before, after) > 3_000


def test_diversity_puts_off_what_was_said_before(texts: tuple[Rest, dict[str, str]]) -> None:
    rest, ids = texts
    query = "When does the gate open in summer?"
    plain = [one["document_id"] for one in search(rest, query, top_k=3)]
    assert ids["other.txt"] not in plain
    found = search(rest, query, top_k=3, diversity=0.6)
    assert found[0]["document_id"] == plain[0]
    assert len({ids[f"copy{n}.txt"] for n in range(3)} & {f["document_id"] for f in found}) == 1
    scores = [one["scores"]["mmr"] for one in found]
    assert scores == sorted(scores, reverse=True) == [one["score"] for one in found]
    assert all({"fused", "mmr"} <= one["scores"].keys() for one in found)


@pytest.mark.parametrize("wrong", [{"diversity": 1.5}, {"diversity": -1}, {"context": "chapter"}])
def test_what_makes_no_sense_is_refused(
    texts: tuple[Rest, dict[str, str]], wrong: dict[str, Any]
) -> None:
    reply = texts[0].client.post("/v1/search", json={"query": "x", "collection": "c", **wrong})
    assert (reply.status_code, reply.json()["error"]["param"]) == (422, next(iter(wrong)))
