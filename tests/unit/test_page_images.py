"""Pages shown to models beside the text that was recognized on them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rag.errors import ModelRejected
from rag.models.engine import Context
from rag.models.pages import Look
from rag.models.prompted import PromptedEngine
from rag.models.tasks import AnswerTask, Outcome, Statement
from rag.types import Passage
from tests.scripted import Kept, Model, engine

TEXT = "The rent is 400 a month."
PASSAGE = Passage(document_id="d1", document_title="Lease", start=0, end=24, text=TEXT, score=1)
GOOD = {
    "reasoning": "P1 says so.",
    "statements": [{"text": "It is 400.", "evidence": [{"passage": "P1", "quote": "400 a month"}]}],
    "confidence": 0.9,
}


def run(one: PromptedEngine, *passages: Passage) -> Outcome[tuple[Statement, ...]]:
    task = AnswerTask(question="What is the rent?", passages=passages or (PASSAGE,))
    return one.run(task, Context(tenant="t"))


def png(width: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + width.to_bytes(4, "big") * 2


def looking(
    model: Model, most: int = 2, *, pages: Sequence[int] = (4, 5), **options: Any
) -> PromptedEngine:
    def images(tenant: str, passage: Passage) -> list[tuple[int, bytes]]:
        assert tenant == "t"
        return [(page, png(page)) for page in pages]

    model.takes_images = True
    return engine(model, look=Look(images=images, most=most), **options)


def test_pages_are_shown_with_the_question_and_are_part_of_the_call() -> None:
    kept = Kept()
    model = Model("no", json.dumps(GOOD))
    model.takes_images = True
    shown: list[list[tuple[int, bytes]]] = [[(4, png(4)), (5, png(5)), (6, png(6))]]
    look = Look(images=lambda _tenant, _passage: shown[0], most=2)
    outcome = run(engine(model, kept, look=look))
    assert outcome.notes == ("Pages shown as images beside the text recognized on them: 2.",)
    first, again = model.requests
    assert [one.png for one in first.turns[-1].images] == [png(4), png(5)]
    mark = first.turns[-1].text.split()[0]
    assert all(one.caption.startswith(f"{mark} image] Page ") for one in first.turns[-1].images)
    assert again.turns[0].images == first.turns[0].images
    run(engine(model, kept, look=look))
    assert len(model.requests) == 2
    shown[0] = [(4, png(7))]
    run(engine(model, kept, look=look))
    assert len(model.requests) == 3
    run(engine(model, kept))
    assert len(model.requests) == 4


def test_a_model_that_takes_no_images_is_asked_without() -> None:
    model = Model(ModelRejected("test:model takes no images."), json.dumps(GOOD))
    outcome = run(looking(model))
    assert outcome.notes == ("No pages were shown as images: test:model takes no images.",)
    assert [len(one.turns[-1].images) for one in model.requests] == [2, 0]
    blind = Model(json.dumps(GOOD))
    look = Look(images=lambda _tenant, _passage: [(4, png(4))], most=1)
    assert run(engine(blind, look=look)).notes == ()
    assert not blind.requests[0].turns[-1].images


def test_no_page_is_shown_where_the_text_was_written() -> None:
    model = Model(json.dumps(GOOD))
    assert run(looking(model, pages=())).notes == ()
    assert not model.requests[0].turns[-1].images


def test_a_page_is_shown_once_and_the_best_passages_come_first() -> None:
    model = Model(json.dumps(GOOD))
    run(looking(model, most=5), PASSAGE, PASSAGE)
    assert [one.caption.split("] ")[1][:26] for one in model.requests[0].turns[-1].images] == [
        "Page 4, which P1 is from. ",
        "Page 5, which P1 is from. ",
    ]


def test_a_page_stays_while_any_passage_from_it_does() -> None:
    best = replace(PASSAGE, start_page=4, end_page=4)
    endless = "boathouse " * 4_000  # no sentence of it fits, so that all is left out
    first = replace(best, text=endless, end=len(endless), score=0.5)
    model = Model(json.dumps(GOOD))
    outcome = run(looking(model, most=1, pages=(4,), window=4_096), first, best)
    assert outcome.shown is not None
    assert list(outcome.shown.left_out) == [0]
    (image,) = model.requests[0].turns[-1].images
    assert "which P2 is from" in image.caption
