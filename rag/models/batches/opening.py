"""Batches by an engine's name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import sleep

from rag.catalog.batches import BatchStore
from rag.errors import ConfigurationError, ModelError
from rag.models.batches import BatchBackend
from rag.models.batches.executor import Batches, DeferredCalls
from rag.models.chat import ChatBackend
from rag.models.engine import Context
from rag.models.prompted import PromptedEngine
from rag.models.registry import Resources, open_backend
from rag.models.tasks import Outcome, Task, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchEngine:
    """Does many tasks by batches. For one run at a time; see `Batches`."""

    batches: Batches
    engine: PromptedEngine
    calls: DeferredCalls

    def run(
        self, tasks: Sequence[Task[Value]], context: Context
    ) -> list[Outcome[Value] | ModelError]:
        """See `Batches.run`."""
        return self.batches.run(self.engine, self.calls, tasks, context)


def open_batches(
    name: str,
    resources: Resources,
    store: BatchStore,
    *,
    open_chat: Callable[[str, Resources], ChatBackend] = open_backend,
    pause: Callable[[float], None] = sleep,
) -> BatchEngine:
    """What does tasks with ``openai:MODEL`` or ``anthropic:MODEL`` by batches.

    Raises:
        ConfigurationError: The model has no batches, or something is to be hidden from it:
            what was hidden is not kept until a batch ends.
        MissingExtra: It needs a package that is not installed.
    """
    if resources.detector is not None:
        raise ConfigurationError(
            "Batches cannot hide anything from the provider yet; ask without them, or set "
            "IBIDEM_REDACT=none."
        )
    chat = open_chat(name, resources)
    calls = DeferredCalls(chat, meter=resources.meter)
    return BatchEngine(
        batches=Batches(
            _backend(chat),
            store=store,
            replies=resources.replies,
            meter=resources.meter,
            pricing=resources.pricing,
            sleep=pause,
        ),
        engine=PromptedEngine(calls, replies=resources.replies, secret=resources.secret),
        calls=calls,
    )


def _backend(chat: ChatBackend) -> BatchBackend:
    from rag.models.batches.anthropic import AnthropicBatches
    from rag.models.batches.openai import OpenAIBatches
    from rag.models.chat.anthropic import AnthropicChat
    from rag.models.chat.openai import OpenAIChat

    if isinstance(chat, OpenAIChat):
        return OpenAIBatches(chat)
    if isinstance(chat, AnthropicChat):
        return AnthropicBatches(chat)
    raise ConfigurationError(f"{chat.id} has no batches; openai:MODEL and anthropic:MODEL have.")
