"""Engines by name: ``offline``, or a language model with the offline engine behind it.

What language models need is imported when one is named: a service without them starts sooner.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from rag.embedding import Embedder
from rag.errors import ConfigurationError
from rag.guard import Detector
from rag.models.calls import Calls, Meter
from rag.models.chat import ChatBackend, ChatReply, Tokens
from rag.models.engine import Engine
from rag.models.fallback import FallbackEngine
from rag.models.flights import Flights
from rag.models.limits import ProviderLimits
from rag.models.observe import Observer
from rag.models.offline.engine import OfflineEngine
from rag.models.offline.reader import Reader
from rag.models.pages import Look
from rag.models.pricing import Pricing
from rag.models.replies import NoReplies, ReplyStore
from rag.redact import masked_url
from rag.trace import NoTracer, Tracer

if TYPE_CHECKING:
    from rag.models.policy.routing import Candidate

KNOWN = (
    "offline, openai:MODEL, anthropic:MODEL, compatible:MODEL@URL and local:FOLDER, several "
    "parted by commas; the README's table of settings says what may stand around them"
)
_VOTE = re.compile(r"vote:(?P<samples>\d{1,3}):(?P<model>.+)")
_ROUTE = "route:"
_REVISE = "revise:"
_WINDOW = re.compile(r"(?P<model>.+?)(?:#window=(?P<tokens>\d{1,9}))?")
# Less has no room for any prompt.
_SMALLEST_WINDOW = 2_048
# Fields of an object, and lists of plain values in it.
_OFFLINE_DEPTH = 2
_SPEC = re.compile(r"(?P<kind>[a-z_]+)(?::(?P<model>[^@]+)(?:@(?P<url>https?://\S+))?)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What engines work with."""

    embedder: Embedder
    reader: Reader | None = None
    """What the offline engine reads with, where it does better than by selecting sentences."""
    openai_api_key: str | None = None
    anthropic_api_key: str | None = None
    compatible_api_key: str | None = None
    replies: ReplyStore = field(default_factory=NoReplies)
    secret: bytes = b""
    meter: Observer = field(default_factory=Meter)
    pricing: Pricing = field(default_factory=Pricing)
    tracer: Tracer = field(default_factory=NoTracer)
    detector: Detector | None = None
    """Finds what is hidden from models on other machines; nothing is without one."""
    look: Look | None = None
    """Shows pages to models that take images; none are shown without it."""
    limits: ProviderLimits = field(default_factory=ProviderLimits)
    flights: Flights[ChatReply] = field(default_factory=Flights)
    """Calls under way, whose replies all who ask the same are given."""


def open_engine(name: str, resources: Resources) -> Engine:
    """The engine of a name; several, parted by commas, step in for one another in turn.

    ``revise:MODEL`` has a model find fault with each of its outputs and mend it.
    ``vote:N:MODEL`` asks a model N times and takes what most of its replies say. ``route:``
    before several puts the cheapest first, and asks the next where it is not sure. The offline
    engine always comes last: where no language model answers, its sentences do, and the answer
    says so. Models of one provider share its limits.

    Raises:
        ConfigurationError: There is no such engine; the message lists those that there are.
        MissingExtra: It needs a package that is not installed.
    """
    offline = OfflineEngine(resources.embedder, resources.reader)
    names = [one.strip() for one in name.removeprefix(_ROUTE).split(",")]
    models = _Models(resources)
    if name.startswith(_ROUTE):
        return _routing(names, models, offline)
    engines = [models.candidate(one).engine for one in names if one != offline.id]
    return FallbackEngine([*engines, offline]) if engines else offline


def _routing(names: list[str], models: _Models, offline: OfflineEngine) -> Engine:
    from rag.models.policy.routing import Candidate, RoutingEngine

    here = Candidate(engine=offline, price=lambda _: 0.0, most_depth=_OFFLINE_DEPTH)
    routing = RoutingEngine(
        [here if one == offline.id else models.candidate(one) for one in dict.fromkeys(names)]
    )
    return routing if offline.id in names else FallbackEngine([routing, offline])


class _Models:
    """Opens language models."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def candidate(self, name: str) -> Candidate:
        """The engine of ``MODEL`` or ``vote:N:MODEL``, and what it asks for."""
        from rag.models.policy.consistency import MOST_SAMPLES, VotingEngine
        from rag.models.policy.routing import Candidate

        match = _VOTE.fullmatch(name)
        if match is None:
            return self._one(name)
        samples = int(match["samples"])
        if not 2 <= samples <= MOST_SAMPLES:
            raise ConfigurationError(
                f"{masked_url(name)}: a vote takes 2 to {MOST_SAMPLES} samples."
            )
        if match["model"] == "offline":
            raise ConfigurationError(
                f"{name}: the offline engine says the same each time; let a language model vote."
            )
        one = self._one(match["model"])

        def price(tokens: Tokens) -> float | None:
            each = one.price(tokens)
            return None if each is None else samples * each

        engine = VotingEngine(one.engine, samples)
        return Candidate(engine=engine, price=price, most_tokens=one.most_tokens)

    def _one(self, name: str) -> Candidate:
        from rag.models.policy.routing import Candidate
        from rag.models.prompted import PromptedEngine

        known = self._resources
        revise = name.startswith(_REVISE)
        spec, window = _window(name.removeprefix(_REVISE))
        backend = open_backend(spec, known)
        calls = Calls(
            backend,
            limits=known.limits.of(backend.provider),
            meter=known.meter,
            pricing=known.pricing,
            tracer=known.tracer,
            flights=known.flights,
        )
        engine = PromptedEngine(
            calls,
            replies=known.replies,
            secret=known.secret,
            revise=revise,
            window=window,
            look=known.look,
        )
        runs_here = backend.provider == "local"

        def price(tokens: Tokens) -> float | None:
            once = 0.0 if runs_here else known.pricing.cost(backend.id, tokens)
            return 2 * once if revise and once is not None else once

        return Candidate(engine=engine, price=price, most_tokens=engine.window)


def _window(name: str) -> tuple[str, int | None]:
    """A model's name without its window, and that, if it is told."""
    match = _WINDOW.fullmatch(name)
    if match is None or match["tokens"] is None:
        if "#window" in name:
            raise ConfigurationError(
                f"No engine {masked_url(name)!r}: #window= takes a whole number of tokens, and "
                "nothing after it."
            )
        return name, None
    if (tokens := int(match["tokens"])) < _SMALLEST_WINDOW:
        raise ConfigurationError(
            f"{masked_url(name)}: a window has at least {_SMALLEST_WINDOW} tokens."
        )
    return match["model"], tokens


def open_backend(name: str, resources: Resources) -> ChatBackend:
    """The language model of a name such as ``compatible:MODEL@URL``.

    Raises:
        ConfigurationError: There is no such model; the message lists the forms of names.
        MissingExtra: It needs a package that is not installed.
    """
    backend = _connect(name, resources)
    if resources.detector is None or not _is_elsewhere(backend):
        return backend
    from rag.models.chat.redacting import RedactingChat

    return RedactingChat(backend, resources.detector, resources.secret)


def _is_elsewhere(backend: ChatBackend) -> bool:
    """Whether what a model is sent leaves this machine."""
    host = urlsplit(backend.provider).hostname
    if host is None:
        return backend.provider != "local"
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"


def _connect(name: str, resources: Resources) -> ChatBackend:
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
    raise ConfigurationError(f"No engine {masked_url(name)!r}; there are: {KNOWN}.")


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
