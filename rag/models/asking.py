"""Asking a language model until its output is valid, whatever the task."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from rag.computing import waiting
from rag.errors import InvalidOutput, ModelError, ModelRefused, ModelRejected, OutputTruncated
from rag.models.calls import Calls, Keep, Known
from rag.models.chat import ChatReply, ChatRequest, Finish, Role, Turn
from rag.models.drafts import Drafts
from rag.models.engine import Context
from rag.models.observe import Purpose, Unusable
from rag.models.output import parse
from rag.models.packing import fit
from rag.models.pages import PageShown
from rag.models.prompts import Prompt
from rag.models.replies import ReplyStore, content_key, documents_of, marker
from rag.models.schema import Schema
from rag.models.tasks import Shown
from rag.models.tokens import bytes_in, image_tokens, most_tokens, schema_bytes
from rag.models.windows import HOW_TO_WIDEN
from rag.models.wording.base import Said
from rag.types import Passage, Usage

MOST_REPAIRS = 2
"""How often invalid output is asked for again, with what is wrong with it."""

# What is wrong with an output, told to the model; the output itself comes with it.
_WHY_TOKENS = 512
# Of every sample but the first, which is the likeliest reply: apart, and still to the point.
_SAMPLING_TEMPERATURE = 0.7
_WHY = (
    "This output is not valid:\n{problems}\n"
    "Reply again, with one JSON object that keeps to the schema and nothing else."
)


def output_limit(wanted: int, window: int) -> int:
    """The most tokens of output to ask for at first: what is read matters more."""
    return min(wanted, window // 4)


def room_for(schema: Schema, *, window: int, output: int, images: int = 0) -> int:
    """Bytes that system and turns may have, when there is to be room for one repair."""
    return bytes_in(window - output - (output + _WHY_TOKENS) - images) - schema_bytes(schema)


@dataclass(slots=True)
class Spent:
    """What asking has taken so far, over all its calls. Replies already known cost nothing."""

    calls: int = 0
    usage: Usage = field(default_factory=Usage)
    """The sum, as answers report it."""
    revision: str | None = None
    """Who replied last, also when the reply was known already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A valid output, what it was asked for with, and how much of the passages went into that."""

    said: Said
    prompt: Prompt
    shown: Shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """One task being asked for: of whom, for whom, and from which passages.

    ``window`` is how many tokens the model can read and write together; ``pages`` are shown to
    it beside the passages. Each ``attempt`` at the task makes calls of its own. ``drafts`` are
    told what is written while it is written.
    """

    calls: Calls
    replies: ReplyStore
    secret: bytes
    context: Context
    passages: Sequence[Passage]
    window: int
    output_tokens: int
    pages: tuple[PageShown, ...] = ()
    attempt: int = 1
    drafts: Drafts | None = None
    spent: Spent = field(default_factory=Spent)

    def ask(self, prompt: Prompt, schema: Schema, inputs: Mapping[str, Any]) -> Asked:
        """An output that is valid by a schema, after as few calls as that takes.

        Args:
            prompt: What to ask with.
            schema: The prompt's, with what the task puts into it.
            inputs: What the prompt takes, but for the marker and the passages.

        Raises:
            InvalidOutput: Nothing valid came, also after the model was told what is wrong.
            ModelError: The call failed, the model refused, or its window is too small.
        """
        output = output_limit(self.output_tokens, self.window)
        inputs, shown = self._fitted(prompt, schema, inputs, output)
        base = {
            "engine": [self.calls.backend.id, self.calls.backend.revision],
            "prompt": [prompt.name, prompt.version, prompt.sha256],
            "inputs": inputs,
            "tenant": self.context.tenant,
        }
        beside = [one.without(shown.left_out) for one in self.pages]
        pages = [one for one in beside if one is not None]
        if pages:
            base["pages"] = [[one.passages, one.page, one.sha256] for one in pages]
        call = content_key(base)
        mark = marker(self.secret, call)
        rendered = prompt.render({**inputs, "marker": mark})
        *before, last = rendered.turns
        asked = (*before, replace(last, images=tuple(one.image(mark) for one in pages)))
        request = ChatRequest(
            system=rendered.system,
            turns=asked,
            schema=schema,
            max_output_tokens=output,
            temperature=self._temperature(),
        )
        said: tuple[Turn, ...] = ()
        wrong: list[str] = []
        for repair in range(1 + MOST_REPAIRS):
            request = replace(request, turns=(*asked, *said))
            if said and self._overflows(request):
                break
            purpose = self.context.purpose(prompt.used, repair=bool(said))
            turn = {"said": [asdict(one) for one in said], "repair": repair}
            parts = {"call": call, **turn, "attempt": self.attempt}
            reply, request = self._whole(request, parts, purpose)
            value, wrong = parse(reply.text, schema)
            if not wrong:
                return Asked(said=value, prompt=prompt, shown=shown)
            told = _WHY.format(problems="\n".join(f"- {one}" for one in wrong))
            said = (Turn(role=Role.ASSISTANT, text=reply.text), Turn(role=Role.USER, text=told))
        model = self.calls.backend.id
        self.calls.meter.tell(Unusable(model=model, purpose=purpose, error=InvalidOutput.code))
        raise InvalidOutput(f"{model} gave no valid output; {wrong[0]}")

    def _fitted(
        self, prompt: Prompt, schema: Schema, inputs: Mapping[str, Any], output: int
    ) -> tuple[dict[str, Any], Shown]:
        """The inputs with the passages that fit, when there is to be room for one repair."""
        shown = image_tokens(page.image("") for page in self.pages)
        room = room_for(schema, window=self.window, output=output, images=shown)
        fitted = fit(prompt, inputs, self.passages, room=room)
        if fitted is None:
            raise ModelRejected(
                f"The window of {self.calls.backend.id}, {self.window} tokens, has no room for "
                f"passages beside the prompt {prompt.name}; {HOW_TO_WIDEN}."
            )
        return fitted

    def _temperature(self) -> float | None:
        if not self.calls.backend.takes_temperature:
            return None
        return _SAMPLING_TEMPERATURE if self.context.sample else 0.0

    def _overflows(self, request: ChatRequest) -> bool:
        """Whether a call cannot fit: what a model wrote at too great a length is asked anew."""
        return most_tokens(request) + request.max_output_tokens > self.window

    def _whole(
        self, request: ChatRequest, key: Mapping[str, Any], purpose: Purpose
    ) -> tuple[ChatReply, ChatRequest]:
        """A reply that was neither refused nor cut off; its limit is raised once."""
        model = self.calls.backend.id
        for _ in range(2):
            reply = self._reply(request, key, purpose)
            if reply.finish in (Finish.REFUSED, Finish.FILTERED):
                raise ModelRefused(f"{model} refused to answer.")
            if reply.finish is Finish.COMPLETE:
                return reply, request
            most, room = request.max_output_tokens, self.window - most_tokens(request)
            if room <= most:
                break
            request = replace(request, max_output_tokens=min(2 * most, room))
        raise OutputTruncated(f"{model} was cut off after {most} tokens.")

    def _reply(self, request: ChatRequest, parts: Mapping[str, Any], purpose: Purpose) -> ChatReply:
        """The recorded reply to this call, or a new one, recorded before it is used."""
        sampling = [request.max_output_tokens, request.temperature, self.context.sample]
        key = content_key({**parts, "sampling": sampling, "schema": request.schema})
        tenant = self.context.tenant
        documents = documents_of(self.passages) | self.context.documents
        purpose = replace(purpose, reply_key=key, documents=documents)

        def known() -> ChatReply | None:
            return self.replies.get(tenant, key)

        def bought() -> ChatReply:
            since = time.monotonic()
            return known() or self._bought(request, purpose, keep, known, since)

        def keep(reply: ChatReply, told: Callable[[], None]) -> None:
            self.replies.put(tenant, key, reply, documents=documents, also=told)

        with waiting():
            reply, _ = self.calls.flights.once((tenant, key), bought)
        self.spent.revision = reply.model
        return reply

    def _bought(
        self, request: ChatRequest, purpose: Purpose, keep: Keep, known: Known, since: float
    ) -> ChatReply:
        spent, drafts = self.spent, self.drafts
        if drafts is not None:
            drafts.begin()
        try:
            called = self.calls.call(
                request,
                budgets=self.context.budgets,
                purpose=purpose,
                keep=keep,
                known=known,
                since=since,
                tell=drafts.piece if drafts else None,
            )
        except ModelError as error:
            spent.usage += error.usage or Usage()
            raise
        spent.calls += called.attempts
        spent.usage += called.spent
        return called.reply
