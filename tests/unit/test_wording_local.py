"""Every task with a language model in this process, held to its schema token by token."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from rag.models.calls import Calls, Meter
from rag.models.chat import ChatReply, ChatRequest, Role, Turn
from rag.models.engine import Context
from rag.models.limits import Limits
from rag.models.pricing import Pricing
from rag.models.prompted import PromptedEngine
from rag.models.replies import NoReplies
from rag.models.tasks import ExtractTask, Outcome
from tests.tiny_model import make_tiny_model
from tests.unit.test_wording import TASKS

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("llguidance")

from rag.models.chat.local import LocalChat

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

WINDOW = 65_536  # a token is a byte here, more or less
RECORD: dict[str, Any] = {
    "type": "object",
    "$defs": {"kind": {"enum": ["lease", "sale"]}},
    "properties": {
        "phone": {"type": "string", "format": "phone", "maxLength": 20},
        "site": {"type": "string", "format": "url", "maxLength": 20},
        "code": {"type": "string", "pattern": "^\\bA", "maxLength": 20},
        "kinds": {
            "type": "array",
            "items": {"$ref": "#/$defs/kind"},
            "uniqueItems": True,
            "maxItems": 2,
        },
        "rent": {"oneOf": [{"type": "integer", "minimum": 1, "maximum": 9}, {"type": "null"}]},
    },
    "required": ["phone", "code", "kinds"],
}


class Bounded:
    """The model, kept from writing lists and strings that chance alone would end."""

    provider = "local"
    takes_temperature = True
    takes_images = False

    def __init__(self, chat: LocalChat) -> None:
        self._chat = chat
        self.id = chat.id
        self.revision = chat.revision

    def complete(self, request: ChatRequest, *, timeout: float) -> ChatReply:
        bounded = replace(request, schema=within_bounds(request.schema))
        return self._chat.complete(bounded, timeout=timeout)


def within_bounds(node: Any) -> Any:
    if isinstance(node, list):
        return [within_bounds(one) for one in node]
    if not isinstance(node, dict):
        return node
    kept = {key: within_bounds(one) for key, one in node.items()}
    if node.get("type") == "array":
        kept["maxItems"] = 1
    if node.get("type") == "string" and not {"enum", "pattern"} & set(node):
        kept["maxLength"] = 20
    return kept


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> LocalChat:
    folder = make_tiny_model(tmp_path_factory.mktemp("tiny"), window=WINDOW, terse=True)
    return LocalChat(str(folder))


@pytest.mark.parametrize("name", TASKS)
def test_every_task_is_done_under_constraint(chat: LocalChat, name: str) -> None:
    task = TASKS[name]
    if isinstance(task, ExtractTask):
        task = replace(task, schema={**RECORD, "required": ["kinds"]})
    calls = Calls(Bounded(chat), limits=Limits(), meter=Meter(), pricing=Pricing())
    engine = PromptedEngine(
        calls, replies=NoReplies(), secret=b"s", forms=("zero-shot",), revise=True, window=WINDOW
    )
    outcome: Outcome[Any] = engine.run(task, Context())
    assert outcome.attempts == 2
    assert outcome.prompt is not None
    assert outcome.prompt.name == f"{name}/revise"


def test_what_cannot_be_followed_token_by_token_is_left_to_validation(chat: LocalChat) -> None:
    turn = Turn(role=Role.USER, text="Go.")
    asked = ChatRequest(system="s", turns=(turn,), schema=RECORD, temperature=1.0)
    reply = chat.complete(asked, timeout=60)
    value = json.loads(reply.text)
    assert set(RECORD["required"]) <= set(value) <= set(RECORD["properties"])
    assert set(value["kinds"]) <= {"lease", "sale"}
