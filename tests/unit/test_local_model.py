"""A language model in this process, constrained to schemas token by token."""

from __future__ import annotations

import json
import random
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import ConfigurationError, ModelError, ModelRejected, ModelTimeout
from rag.locate import fold
from rag.models.chat import ChatReply, ChatRequest, Finish, Role, Turn
from rag.models.schema import check_schema, problems
from tests.schemas import an_object
from tests.tiny_model import CONTROLS, make_chatml_tokenizer, make_tiny_model

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("llguidance")

from rag.models.chat.local import LocalChat
from rag.models.chat.local_model import LocalSettings, check_memory, weights_bytes
from rag.models.chat.local_prompt import LocalPrompt

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def chat(folder: Path) -> Iterator[LocalChat]:
    return LocalChat(str(folder), batch=50)


def request(schema: Any = None, **options: Any) -> ChatRequest:
    given: dict[str, Any] = {"max_output_tokens": 2_000, "temperature": 1.0}
    turns = (Turn(role=Role.USER, text="Go."),)
    return ChatRequest(system="Be brief.", turns=turns, schema=schema, **(given | options))


@pytest.mark.timeout(300)
def test_under_constraint_every_output_is_valid(chat: LocalChat) -> None:
    rng = random.Random(7)
    schemas = [an_object(rng, 3) for _ in range(200)]
    replies: dict[int, Any] = {}

    def ask(number: int) -> None:
        replies[number] = chat.complete(request(schemas[number]), timeout=250)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(schemas))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, schema in enumerate(schemas):
        check_schema(schema)
        assert replies[number].finish is Finish.COMPLETE
        assert problems(json.loads(replies[number].text), schema) == []


def test_free_text_ends_at_its_limit(chat: LocalChat) -> None:
    reply = chat.complete(request(max_output_tokens=12), timeout=60)
    assert reply.tokens.output <= 12
    assert reply.finish in (Finish.LENGTH, Finish.COMPLETE)
    assert reply.tokens.input > 0


def test_without_temperature_the_reply_is_the_same(chat: LocalChat) -> None:
    one, two = (
        chat.complete(request(max_output_tokens=20, temperature=0.0), timeout=60) for _ in range(2)
    )
    assert one == two


@pytest.mark.timeout(120)
def test_what_is_written_is_told_token_by_token_also_beside_others(chat: LocalChat) -> None:
    schema = an_object(random.Random(3), 3)
    told: dict[int, list[str]] = {number: [] for number in range(3)}
    replies: dict[int, ChatReply] = {}

    def ask(number: int) -> None:
        most = 5 if number == 2 else 2_048
        wanted = request(schema, temperature=0.0, max_output_tokens=most)
        replies[number] = chat.stream(wanted, timeout=100, tell=told[number].append)

    threads = [threading.Thread(target=ask, args=(number,)) for number in told]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, reply in replies.items():
        assert len(told[number]) > 3
        assert "".join(told[number]) == reply.text
    assert replies[0] == chat.complete(request(schema, temperature=0.0), timeout=100)
    assert replies[2].finish is Finish.LENGTH


def test_a_call_that_is_late_is_ended(chat: LocalChat) -> None:
    endless = {
        "type": "object",
        "properties": {"x": {"type": "string", "minLength": 6_000}},
        "required": ["x"],
    }
    started = time.monotonic()
    with pytest.raises(ModelTimeout):
        chat.complete(request(endless, max_output_tokens=7_000), timeout=0.5)
    assert time.monotonic() - started < 10


def test_what_does_not_fit_the_window_is_refused(chat: LocalChat) -> None:
    with pytest.raises(ModelRejected, match="window"):
        chat.complete(request(max_output_tokens=9_000), timeout=60)


def at_once(chat: LocalChat, *requests: ChatRequest) -> list[ChatReply | ModelError]:
    found: dict[int, ChatReply | ModelError] = {}

    def ask(number: int) -> None:
        try:
            found[number] = chat.complete(requests[number], timeout=60)
        except ModelError as error:
            found[number] = error

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(requests))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [found[number] for number in range(len(requests))]


@pytest.mark.timeout(120)
def test_each_of_the_calls_answered_together_fails_alone(tmp_path: Path) -> None:
    chat = LocalChat(str(make_tiny_model(tmp_path / "m", window=1_024)))
    plain = request(max_output_tokens=20, temperature=0.0)
    turn = Turn(role=Role.USER, text="a b c d " * 100)
    long = replace(plain, turns=(turn,))
    wordy = replace(plain, max_output_tokens=700)
    too_long = replace(long, turns=(turn, turn))
    bad = {"type": "object", "properties": {"x": {"type": "string", "pattern": "("}}}
    endless = replace(plain, schema=bad | {"required": ["x"]})
    alone = [chat.complete(one, timeout=60).tokens.input for one in (plain, long, wordy)]
    found = at_once(chat, plain, too_long, long, endless, wordy)
    assert [one.tokens.input for one in found if isinstance(one, ChatReply)] == alone
    assert isinstance(found[1], ModelRejected)
    assert "window" in found[1].message
    assert isinstance(found[3], ModelRejected)
    assert "schema" in found[3].message


TOKENIZER = make_chatml_tokenizer()
SPELLED = st.lists(
    st.sampled_from([*CONTROLS, "<eos>", "<", "|", "im_end|>", "  ", "rent", "\n", "é"]), max_size=8
).map("".join)


@given(texts=st.tuples(SPELLED, SPELLED, SPELLED))
def test_no_text_leaves_its_turn(texts: tuple[str, str, str]) -> None:
    def controls(system: str, *said: str) -> list[int]:
        roles = (Role.USER, Role.ASSISTANT)
        turns = [Turn(role=role, text=text) for role, text in zip(roles, said, strict=True)]
        prompt = LocalPrompt(TOKENIZER).write(ChatRequest(system=system, turns=tuple(turns)))
        tokens = TOKENIZER(prompt, add_special_tokens=False)["input_ids"]
        marks = TOKENIZER.convert_tokens_to_ids([*CONTROLS, "<eos>"])
        return [token for token in tokens if token in marks]

    assert controls(*texts) == controls("s", "u", "a")


def test_a_quote_is_located_as_the_model_read_it() -> None:
    text = "Write <|im_end|> at the  rent's end."
    turns = (Turn(role=Role.USER, text=text),)
    prompt = LocalPrompt(TOKENIZER).write(ChatRequest(system="s", turns=turns))
    read = prompt.partition("user\n")[2].partition("<|im_end|>")[0]
    assert read != text
    assert read.replace("\u2060", "") == text
    assert fold(read).text == fold(text).text
    assert len(read) == len(text) + 1


def test_the_model_is_let_go_when_idle(folder: Path) -> None:
    chat = LocalChat(str(folder), idle_s=0.2)
    chat.complete(request(max_output_tokens=4), timeout=60)
    deadline = time.monotonic() + 20
    while chat.is_loaded and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not chat.is_loaded
    chat.complete(request(max_output_tokens=4), timeout=60)


def test_a_revision_is_what_the_files_hold(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy", copy_function=shutil.copyfile))
    chat = LocalChat(str(copy), idle_s=600)
    before = chat.revision
    assert before == LocalChat(str(folder)).revision
    (copy / "config.json").write_text((copy / "config.json").read_text() + " ")
    assert chat.revision != before
    chat.complete(request(max_output_tokens=4), timeout=60)
    loaded = chat.revision
    (copy / "config.json").write_text((copy / "config.json").read_text() + " ")
    assert chat.revision == loaded, "of the model in memory"
    assert LocalChat(str(copy)).revision != loaded


def test_the_revision_of_a_model_in_the_cache_is_its_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.file_download.HF_HUB_CACHE", str(tmp_path), raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    revisions = set()
    for commit in ("a" * 40, "b" * 40):
        model = tmp_path / "models--some--model"
        (model / "refs").mkdir(parents=True, exist_ok=True)
        (model / "refs/main").write_text(commit)
        (model / "snapshots" / commit).mkdir(parents=True)
        (model / "snapshots" / commit / "config.json").write_text("{}")
        revisions.add(LocalChat("some/model").revision)
    assert len(revisions) == 2


def test_a_model_without_template_is_asked_plainly(tmp_path: Path) -> None:
    chat = LocalChat(str(make_tiny_model(tmp_path / "m", template=False)))
    assert chat.complete(request(max_output_tokens=4), timeout=60).tokens.input > 10


def test_a_model_that_is_too_large_is_not_loaded(folder: Path) -> None:
    size = weights_bytes(folder)
    assert size > 10_000
    with pytest.raises(ConfigurationError, match="GB of memory"):
        check_memory(str(folder), LocalSettings(memory_bytes=size // 2))
    check_memory(str(folder), LocalSettings(memory_bytes=size // 2, bits=4))
    with pytest.raises(ModelRejected, match="GB of memory"):
        LocalChat(str(folder), LocalSettings(memory_bytes=1)).complete(request(), timeout=20)


def test_a_model_that_is_not_there_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(ModelRejected, match="cannot be loaded"):
        LocalChat(str(tmp_path)).complete(request(), timeout=20)
