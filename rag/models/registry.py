"""Engines by name: ``offline``, or a language model with the offline engine behind it.

What language models need is imported when one is named: a service without them starts sooner.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl

from rag.embedding import Embedder
from rag.errors import ConfigurationError
from rag.models.calls import Calls, Meter
from rag.models.chat import ChatBackend
from rag.models.engine import Engine
from rag.models.fallback import FallbackEngine
from rag.models.limits import Limits
from rag.models.observe import Observer
from rag.models.offline.engine import OfflineEngine
from rag.models.pricing import Pricing
from rag.models.replies import NoReplies, ReplyStore

KNOWN = (
    "offline, openai:MODEL, anthropic:MODEL, compatible:MODEL@URL, "
    "local:FOLDER[?adapter=FOLDER&bits=4&memory_gb=8]"
)
_SPEC = re.compile(r"(?P<kind>[a-z_]+)(?::(?P<model>[^@]+)(?:@(?P<url>https?://\S+))?)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What engines work with."""

    embedder: Embedder
    openai_api_key: str | None = None
    anthropic_api_key: str | None = None
    compatible_api_key: str | None = None
    replies: ReplyStore = field(default_factory=NoReplies)
    secret: bytes = b""
    meter: Observer = field(default_factory=Meter)
    pricing: Pricing = field(default_factory=Pricing)


def open_engine(name: str, resources: Resources) -> Engine:
    """The engine of a name; several, parted by commas, step in for one another in turn.

    The offline engine always comes last: where no language model answers, its sentences do,
    and the answer says so. Models of one provider share its limits.

    Raises:
        ConfigurationError: There is no such engine; the message lists those that there are.
        MissingExtra: It needs a package that is not installed.
    """
    offline = OfflineEngine(resources.embedder)
    models = [one.strip() for one in name.split(",") if one.strip() != offline.id]
    if not models:
        return offline
    return FallbackEngine([*_prompted(models, resources), offline])


def _prompted(models: list[str], resources: Resources) -> Iterator[Engine]:
    from rag.models.prompted import PromptedEngine

    limits: dict[str, Limits] = {}
    for name in models:
        backend = open_backend(name, resources)
        calls = Calls(
            backend,
            limits=limits.setdefault(backend.provider, Limits()),
            meter=resources.meter,
            pricing=resources.pricing,
        )
        yield PromptedEngine(calls, replies=resources.replies, secret=resources.secret)


def open_backend(name: str, resources: Resources) -> ChatBackend:
    """The language model of a name such as ``compatible:MODEL@URL``.

    Raises:
        ConfigurationError: There is no such model; the message lists the forms of names.
        MissingExtra: It needs a package that is not installed.
    """
    match = _SPEC.fullmatch(name)
    kind, model, url = match.group("kind", "model", "url") if match else (None, None, None)
    if kind == "openai" and model and not url:
        from rag.models.chat.openai import OpenAIChat

        return OpenAIChat(model, api_key=resources.openai_api_key)
    if kind == "anthropic" and model and not url:
        from rag.models.chat.anthropic import AnthropicChat

        return AnthropicChat(model, api_key=resources.anthropic_api_key)
    if kind == "compatible" and model and url:
        from rag.models.chat.compatible import CompatibleChat

        return CompatibleChat(model, base_url=url, api_key=resources.compatible_api_key)
    if kind == "local" and model and not url:
        return _local(model)
    raise ConfigurationError(f"No engine {name!r}; there are: {KNOWN}.")


def _local(spec: str) -> ChatBackend:
    from rag.models.chat.local import LocalChat
    from rag.models.chat.local_model import LocalSettings

    folder, _, query = spec.partition("?")
    given = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)))
    adapter, bits, memory = (given.pop(name, None) for name in ("adapter", "bits", "memory_gb"))
    if given or bits not in (None, "4", "8"):
        raise ConfigurationError(f"local:{spec}: known are adapter, bits (4 or 8) and memory_gb.")
    return LocalChat(
        folder,
        LocalSettings(
            adapter=Path(adapter) if adapter else None,
            bits=int(bits) if bits else None,
            memory_bytes=int(float(memory) * 1e9) if memory else None,
        ),
    )
