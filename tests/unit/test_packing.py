"""What a model is shown fits its window, is the best there is, and is never silently less."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from rag.errors import InvalidOutput, ModelRejected, OutputTruncated
from rag.models.chat import ChatReply, ChatRequest, Finish, Role, Tokens, Turn
from rag.models.engine import Context
from rag.models.packing import pack
from rag.models.tasks import AnswerTask, Outcome
from rag.models.tokens import TokenEstimate, bytes_in, most_tokens, request_bytes, size
from rag.models.windows import known_window
from rag.sentences import split
from rag.types import Passage
from tests.scripted import Kept, Model, engine

SAYS_NOTHING = json.dumps({"reasoning": "", "statements": [], "confidence": 0.5})
SENTENCES = st.sampled_from(
    [
        "The rent is 400 a month.",
        "It was approx. 380 until Dr. Lund left.",
        "家賃は月額四百です。",
        "Аренда составляет 400 в месяц.",
        "Who pays?",
        "No. 7 is let to Harbour Ropes Ltd. of Porto " + "and others " * 30 + "too.",
        "\n\nRepairs\n\n",
        "😀" * 40,
    ]
)


def passage(text: str, score: float = 1.0, title: str = "Lease") -> Passage:
    return Passage(
        document_id="d1", document_title=title, start=0, end=len(text), text=text, score=score
    )


PASSAGES = st.lists(
    st.builds(
        passage,
        st.lists(SENTENCES, max_size=12).map(" ".join),
        st.sampled_from([0.1, 0.5, 0.9]),
        st.sampled_from(["Lease", "契約\n書" * 20]),
    ),
    max_size=8,
)


def frame(one: Passage) -> int:
    return 20 + size(one.document_title)


@settings(deadline=None)
@given(passages=PASSAGES, room=st.integers(-100, 6_000))
def test_a_room_is_never_overfull_and_holds_the_best(passages: list[Passage], room: int) -> None:
    packed = pack(passages, room, frame)
    texts, shown = packed.texts, packed.shown
    taken = sum(size(text) + frame(passages[place]) for place, text in texts.items())
    assert taken <= max(room, 0)
    for place, text in texts.items():
        whole = passages[place].text
        assert whole.startswith(text)
        assert (text == whole) != (place in shown.cut)
        assert place not in shown.cut or len(text) in {span.end for span in split(whole)}
    assert sorted([*texts, *shown.left_out]) == list(range(len(passages)))
    assert shown.characters == sum(map(len, texts.values()))
    assert shown.of_characters == sum(len(one.text) for one in passages)
    # What is missing is worth no more than what is there, and at most the last of that is cut.
    rank = {place: (-one.score, place) for place, one in enumerate(passages)}
    assert all(rank[one] < rank[other] for one in texts for other in shown.left_out)
    assert len(shown.cut) <= 1
    assert all(rank[cut] == max(map(rank.__getitem__, texts)) for cut in shown.cut)


def run(passages: list[Passage], window: int, *replies: Any) -> tuple[Outcome[Any], Model]:
    model = Model(*(replies or (SAYS_NOTHING,)))
    task = AnswerTask(question="What is the rent?", passages=tuple(passages))
    one = engine(model, Kept(), window=window)
    try:
        outcome: Outcome[Any] = one.run(task, Context(tenant="t"))
    finally:
        for request in model.requests:
            assert most_tokens(request) + request.max_output_tokens <= window
    return outcome, model


@settings(deadline=None, max_examples=60)
@given(passages=PASSAGES.filter(bool), window=st.integers(3_500, 9_000))
def test_no_call_is_larger_than_the_window(passages: list[Passage], window: int) -> None:
    try:
        outcome, model = run(passages, window)
    except ModelRejected:  # not a sentence of the best of them fits
        reject()
    sent, shown = model.requests[0].turns[-1].text, outcome.shown
    assert shown is not None
    for place, one in enumerate(passages):
        assert (f" P{place + 1}]\n" in sent) == (place not in shown.left_out)
        if place not in (*shown.cut, *shown.left_out):
            assert one.text in sent
    incomplete = bool(shown.cut or shown.left_out)
    assert any(f"{shown.characters} of {shown.of_characters}" in one for one in outcome.notes) == (
        incomplete
    )


def test_passages_keep_their_names_and_the_order_of_the_task() -> None:
    long = "The rent is 400 a month. " * 60
    outcome, model = run([passage(long, 0.1), passage(long, 0.5), passage(long, 0.9)], 5_000)
    assert outcome.shown is not None
    assert (outcome.shown.left_out, outcome.shown.cut) == ((0,), (1,))
    sent = model.requests[0].turns[-1].text
    assert " P1]" not in sent
    assert sent.index(" P2]") < sent.index(" P3]")


def test_a_window_too_small_for_any_passage_is_said_to_be() -> None:
    with pytest.raises(ModelRejected, match="#window=TOKENS"):
        run([passage("The rent is 400 a month.")], 2_048)


def test_more_room_for_an_output_is_no_more_than_there_is() -> None:
    fits = [passage("The rent is 400 a month.")]
    with pytest.raises(OutputTruncated):
        run(fits, 4_000, Finish.LENGTH)
    assert run(fits, 9_000, Finish.LENGTH, SAYS_NOTHING)[1].requests[1].max_output_tokens == 4_096


def test_an_output_too_long_to_be_repaired_is_asked_for_anew() -> None:
    outcome, model = run([passage("The rent is 400.")], 5_000, "x" * 9_000, SAYS_NOTHING)
    assert [len(request.turns) for request in model.requests] == [1, 1]
    assert "brought no valid output" in outcome.notes[0]
    with pytest.raises(InvalidOutput):
        run([passage("The rent is 400.")], 5_000, "x" * 9_000)


def request_of(text: str) -> ChatRequest:
    return ChatRequest(system="", turns=(Turn(role=Role.USER, text=text),))


def test_estimates_follow_what_providers_count() -> None:
    estimate = TokenEstimate()
    text = request_of("The rent is 400 a month. " * 400)
    assert estimate.tokens(text) > 10_000 / 3
    estimate.learn(text, 9_000)  # a tokenizer of single bytes
    assert 9_000 <= estimate.tokens(text) < 10_000
    for _ in range(200):
        estimate.learn(text, 2_300)
    assert 2_300 <= estimate.tokens(text) < 2_600
    before = estimate.per_byte
    estimate.learn(text, 0)
    estimate.learn(request_of("Short."), 400)
    assert estimate.per_byte == before
    for _ in range(200):
        estimate.learn(text, 10)  # it cannot have read all of it
    assert estimate.per_byte > 0.2
    assert most_tokens(request_of("x" * bytes_in(1_000))) <= 1_000


class Counting(Model):
    """Counts what it reads, in a tokenizer's way."""

    per_byte = 0.23

    def complete(self, request: ChatRequest, *, timeout: float) -> ChatReply:
        reply = super().complete(request, timeout=timeout)
        read = round(request_bytes(request) * self.per_byte)
        return replace(reply, tokens=Tokens(input=read, output=10))


def test_what_a_model_counts_changes_no_call() -> None:
    long = "The rent is 400 a month, payable on the first working day of it. " * 12
    passages = tuple(passage(f"{number}. {long}", 1 / (1 + number)) for number in range(20))
    kept = Kept()
    for replies in ((SAYS_NOTHING,), (Finish.LENGTH, SAYS_NOTHING)):
        task = AnswerTask(question=f"What is the rent? {len(replies)}", passages=passages)
        engine(Counting(*replies), kept, window=8_192).run(task, Context())
        counts = Counting(SAYS_NOTHING)
        one = engine(counts, kept, window=8_192)
        for number in range(30):
            one.run(replace(task, question=f"Who pays? {number}"), Context())
        asked = len(counts.requests)
        again = one.run(task, Context())
        assert (len(counts.requests) - asked, again.attempts) == (0, 0)


def test_windows_are_known_by_the_name_of_the_model(tmp_path: Path) -> None:
    assert known_window("anthropic:claude-x") == 200_000
    assert known_window("openai:gpt-4o-mini") == 128_000
    assert known_window("openai:gpt-4") == known_window("compatible:m@http://h/v1") == 8_192
    (tmp_path / "config.json").write_text('{"max_position_embeddings": 4096}')
    assert known_window(f"local:{tmp_path}") == known_window(f"local:{tmp_path}+fine") == 4_096
    assert known_window("local:org/model") == 8_192
