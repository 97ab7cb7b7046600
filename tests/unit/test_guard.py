"""What must not leave does not, and what comes back still says what the documents say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import ConfigurationError, ModelRejected
from rag.guard import KINDS, PatternDetector, Private, Redaction
from rag.locate import locate
from rag.models.chat import ChatReply, ChatRequest, Finish, Image, Role, Turn
from rag.models.chat.redacting import RedactingChat
from rag.types import Span

MAIL = "ann.lee+x@mail.example.com"
IBAN = "DE89 3704 0044 0532 0130 00"
CARD = "4111-1111-1111-1111"
PHONE = "+49 30 1234567"
PLACEHOLDER = re.compile(r"\[[A-Z]+_[0-9a-f]{12}\]")


class Words:
    """Finds runs of the letters x and y, of quotation marks, and everything between them."""

    id = "words"

    def find(self, text: str) -> Iterator[Private]:
        for kind, pattern in (("xs", r"[xy]+"), ("quoted", r'"[^"]*"')):
            for match in re.finditer(pattern, text):
                yield Private(kind=kind, span=Span(start=match.start(), end=match.end()))


TEXTS = st.lists(st.text(alphabet='xy"\\\n ab中[_]XS0', max_size=30), min_size=1, max_size=4)


@given(texts=TEXTS, data=st.data())
def test_what_is_hidden_comes_back_word_for_word(texts: list[str], data: st.DataObject) -> None:
    redaction = Redaction(Words(), b"secret", texts)
    for text in texts:
        hidden = redaction.hide(text)
        assert redaction.restore(hidden) == text
        assert not list(Words().find(PLACEHOLDER.sub("", hidden)))
        # A model quotes any stretch that cuts no placeholder, and writes it as JSON.
        borders = [0, len(hidden)]
        for match in re.finditer(f"{PLACEHOLDER.pattern}|.", hidden, re.DOTALL):
            borders.append(match.start())
        start, end = sorted(data.draw(st.tuples(*[st.sampled_from(borders)] * 2)))
        said = redaction.restore(json.dumps({"quote": hidden[start:end]}), is_json=True)
        quote = json.loads(said)["quote"]
        assert quote in text
        # What it said is told it again when it was not valid.
        told = redaction.hide_said(said)
        assert json.loads(redaction.restore(told, is_json=True))["quote"] == quote


@given(texts=TEXTS)
def test_the_same_words_have_one_placeholder_that_nobody_can_guess(texts: list[str]) -> None:
    redaction = Redaction(Words(), b"secret", texts)
    hidden = [redaction.hide(text) for text in texts]
    assert hidden == [redaction.hide(text) for text in texts]
    found = {one: redaction.restore(one) for text in hidden for one in PLACEHOLDER.findall(text)}
    assert len(set(found.values())) == len(found)
    assert not any(one in text for one in found for text in texts)
    other = Redaction(Words(), b"another", texts)
    assert not any(one in other.hide(text) for one in found for text in texts)
    elsewhere = Redaction(Words(), b"secret", [*texts, "more"])
    assert not any(one in elsewhere.hide(text) for one in found for text in texts)


def test_a_placeholder_that_is_in_the_text_is_not_used() -> None:
    planted = Redaction(PatternDetector(["email"]), b"s", [MAIL]).hide(MAIL)
    # Who knew the placeholder could have another's address put in its place.
    scope = Redaction(PatternDetector(["email"]), b"s", [f"{MAIL} {planted}"])
    assert scope.restore(scope.hide(f"{MAIL} {planted}")) == f"{MAIL} {planted}"


@pytest.mark.parametrize(
    ("kind", "text", "found"),
    [
        ("email", f"Write to {MAIL}, or to a@b.", [MAIL]),
        ("iban", f"Pay to {IBAN}; not to DE88 3704 0044 0532 0130 00.", [IBAN]),
        ("card", f"Card {CARD}, order 4111-1111-1111-1112.", [CARD]),
        ("phone", f"Call {PHONE} or (030) 1234567 or 212-555-0100.", None),
        ("phone", "On 01/02/2024, 01.02.2024 12:00; 1,234,567.89; 0.05; 2024-01-15.", []),
    ],
)
def test_patterns_find_what_has_a_form(kind: str, text: str, found: list[str] | None) -> None:
    seen = [text[one.span.start : one.span.end] for one in PatternDetector([kind]).find(text)]
    assert seen == ([PHONE, "(030) 1234567", "212-555-0100"] if found is None else found)


def test_an_unknown_kind_lists_what_there_is() -> None:
    with pytest.raises(ConfigurationError, match="email, phone, iban, card"):
        PatternDetector(["names"])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("piece", ["a", "1", "+1 ", "0.", "DE12 ", "a@", "1-"])
def test_patterns_take_time_in_proportion(kind: str, piece: str) -> None:
    assert list(PatternDetector([kind]).find(piece * 100_000)) is not None


PASSAGE = f'Ann said: "write to {MAIL}". Pay to {IBAN}.'
SCHEMA = {"type": "object", "properties": {"who": {"enum": [MAIL, "nobody"]}}}


class Echo:
    """Replies with the passage that it was sent, as a quote in JSON."""

    id = "echo"
    revision = "1"
    provider = "openai"
    takes_temperature = True
    takes_images = True

    def __init__(self) -> None:
        self.requests: list[ChatRequest] = []

    def complete(self, request: ChatRequest, *, timeout: float) -> ChatReply:
        self.requests.append(request)
        assert request.schema is not None
        who = request.schema["properties"]["who"]["enum"][0]
        said = json.dumps({"quote": request.turns[0].text, "who": who})
        return ChatReply(text=said, finish=Finish.COMPLETE, model="echo")


def test_a_model_elsewhere_is_told_nothing_private_and_its_quotes_are_located() -> None:
    echo = Echo()
    chat = RedactingChat(echo, PatternDetector(KINDS), b"s")
    first = Turn(role=Role.USER, text=PASSAGE)
    request = ChatRequest(system=f"For {MAIL}.", turns=(first,), schema=SCHEMA)
    reply = chat.complete(request, timeout=1)
    again = (first, Turn(role=Role.ASSISTANT, text=reply.text), Turn(role=Role.USER, text="No."))
    chat.complete(ChatRequest(system="", turns=again, schema=SCHEMA), timeout=1)
    broken = replace(again[1], text=f"Here: {reply.text[:-1]}")
    chat.complete(ChatRequest(system="", turns=(first, broken, again[2]), schema=SCHEMA), timeout=1)
    sent = str(echo.requests)
    assert MAIL not in sent
    assert "0532" not in sent
    value = json.loads(reply.text)
    assert value["who"] == MAIL
    place = locate(value["quote"], PASSAGE)
    assert place is not None
    assert (place.start, place.end) == (0, len(PASSAGE))
    assert chat.revision != echo.revision


def test_nothing_can_be_hidden_in_an_image() -> None:
    chat = RedactingChat(Echo(), PatternDetector(KINDS), b"s")
    shown = Turn(role=Role.USER, text="See.", images=(Image(caption="P1", png=b""),))
    assert not chat.takes_images
    with pytest.raises(ModelRejected, match="no images"):
        chat.complete(ChatRequest(system="", turns=(shown,)), timeout=1)
