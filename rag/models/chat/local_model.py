"""A causal language model of transformers in memory: loaded within a cap, held to a schema."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rag.errors import (
    ConfigurationError,
    MissingExtra,
    ModelError,
    ModelRejected,
    ModelTimeout,
)
from rag.models.chat import ChatReply, ChatRequest, Finish, Tell, Tokens
from rag.models.chat.local_prompt import LocalPrompt
from rag.models.chat.local_telling import Teller
from rag.models.schema import for_local

_MEMINFO = Path("/proc/meminfo")
_WEIGHTS = ("*.safetensors", "*.bin")
_OVERHEAD = 1.2
# A choice that a bound ends soon; JSON may be spaced without end.
_COMPACT = {"whitespace_flexible": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSettings:
    """How a model is loaded.

    ``bits`` is 4 or 8 for weights quantized by bitsandbytes; ``memory_bytes`` what the weights
    may take, by default what the machine has available.
    """

    adapter: Path | None = None
    bits: int | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    """A request that the model can answer, with its place among those that came with it."""

    number: int
    request: ChatRequest
    deadline: float
    tokens: list[int]
    matcher: Any
    tell: Tell | None


class LocalModel:
    """A loaded model. Not thread-safe: one batch at a time."""

    def __init__(self, name: str, settings: LocalSettings) -> None:
        """Load the model, its tokenizer and its adapter from a folder, or by name from the cache.

        Raises:
            MissingExtra: transformers or llguidance is not installed.
            ConfigurationError: The model cannot be loaded, or is too large.
        """
        self._torch, transformers, self._llguidance = _import(name)
        self._name = name
        check_memory(name, settings)
        options: dict[str, Any] = {"dtype": "auto"}
        if settings.bits:
            key = f"load_in_{settings.bits}bit"
            options["quantization_config"] = transformers.BitsAndBytesConfig(**{key: True})
        try:
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(name)
            self._model = transformers.AutoModelForCausalLM.from_pretrained(name, **options)
            if settings.adapter is not None:
                self._model.load_adapter(str(settings.adapter))
        except (OSError, ValueError, ImportError, KeyError) as error:
            raise ConfigurationError(f"The model local:{name} cannot be loaded: {error}") from error
        self._transformers = transformers
        self._model.eval()
        if self._torch.cuda.is_available():
            self._model.to("cuda")
        self._tokenizer.padding_side = "left"
        if self._tokenizer.pad_token_id is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        self._prompt = LocalPrompt(self._tokenizer)
        self._window = getattr(self._model.config, "max_position_embeddings", None)
        # The output layer is often wider than the vocabulary that the tokenizer knows.
        self._width = self._model.get_output_embeddings().weight.shape[0]
        import llguidance.hf

        self._grammar_tokens = llguidance.hf.from_tokenizer(self._tokenizer, n_vocab=self._width)

    def complete(
        self,
        requests: Sequence[ChatRequest],
        deadlines: Sequence[float],
        tells: Sequence[Tell | None],
    ) -> list[ChatReply | ModelError]:
        """Replies in order, and for each request that cannot be answered its own error.

        All requests have the same temperature; the time (``time.monotonic()``) of some may run
        out, or their schema or length be more than the model can do.
        """
        found: dict[int, ChatReply | ModelError] = {}
        prepared = []
        wanted = enumerate(zip(requests, deadlines, tells, strict=True))
        for number, (request, deadline, tell) in wanted:
            try:
                prepared.append(self._prepared(number, request, deadline, tell))
            except ModelRejected as error:
                found[number] = error
        for group in self._groups(prepared):
            found.update(self._generated(group))
        return [found[number] for number in range(len(requests))]

    def _prepared(
        self, number: int, request: ChatRequest, deadline: float, tell: Tell | None
    ) -> _Prepared:
        prompt = self._prompt.write(request)
        tokens = self._tokenizer(prompt, add_special_tokens=False)["input_ids"]
        needed = len(tokens) + request.max_output_tokens
        if self._window is not None and needed > self._window:
            raise ModelRejected(
                f"The call needs {needed} tokens, and the model's window has {self._window}."
            )
        matcher = self._matcher(request.schema)
        return _Prepared(
            number=number,
            request=request,
            deadline=deadline,
            tokens=tokens,
            matcher=matcher,
            tell=tell,
        )

    def _groups(self, prepared: Sequence[_Prepared]) -> list[list[_Prepared]]:
        """What can be generated together: the longest prompt and output of all fit the window.

        A row that has ended is filled up until all have, and must stay within it too.
        """
        groups: list[list[_Prepared]] = []
        for one in prepared:
            for group in groups:
                if self._window is None or sum(_longest([*group, one])) <= self._window:
                    group.append(one)
                    break
            else:
                groups.append([one])
        return groups

    def _generated(self, group: Sequence[_Prepared]) -> dict[int, ChatReply | ModelError]:
        encoded = self._tokenizer.pad(
            {"input_ids": [one.tokens for one in group]}, return_tensors="pt"
        )
        start, most = _longest(group)
        rows = _Rows(
            matchers=[one.matcher for one in group],
            limits=[one.request.max_output_tokens for one in group],
            deadlines=[one.deadline for one in group],
            tellers=[Teller(one.tell, self._text) if one.tell else None for one in group],
            start=start,
            eos=self._tokenizer.eos_token_id,
            torch=self._torch,
        )
        temperature = group[0].request.temperature
        with self._torch.inference_mode():
            found = self._model.generate(
                **encoded.to(self._model.device),
                max_new_tokens=most,
                do_sample=bool(temperature),
                temperature=temperature or None,
                top_p=None,
                top_k=None,
                pad_token_id=self._tokenizer.pad_token_id,
                logits_processor=[rows.constrain],
                stopping_criteria=[rows.stop],
            )
        written = found[:, start:].tolist()
        return {
            one.number: self._reply(written[row], len(one.tokens), rows, row)
            for row, one in enumerate(group)
        }

    def _reply(self, tokens: list[int], read: int, rows: _Rows, row: int) -> ChatReply | ModelError:
        if rows.late[row]:
            return ModelTimeout(f"local:{self._name} did not answer in time.")
        eos = self._tokenizer.eos_token_id
        own = tokens[: tokens.index(eos)] if eos in tokens else tokens[: rows.limits[row]]
        whole = eos in tokens[: rows.limits[row] + 1] and not rows.cut[row]
        return ChatReply(
            text=self._text(own),
            finish=Finish.COMPLETE if whole else Finish.LENGTH,
            model=str(self._model.config._name_or_path),
            tokens=Tokens(input=read, output=len(own)),
        )

    def _text(self, tokens: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(tokens, skip_special_tokens=True)
        return text

    def _matcher(self, schema: Mapping[str, Any] | None) -> Any:
        if schema is None:
            return None
        matcher = self._llguidance.LLMatcher
        grammar = matcher.grammar_from_json_schema(json.dumps(for_local(schema)), defaults=_COMPACT)
        made = matcher(self._grammar_tokens, grammar)
        if made.is_error():
            raise ModelRejected(f"The schema cannot be followed token by token: {made.get_error()}")
        return made


class _Rows:
    """The requests of a batch while it is generated: what each may say, and until when."""

    def __init__(
        self,
        *,
        matchers: list[Any],
        limits: list[int],
        deadlines: list[float],
        tellers: list[Teller | None],
        start: int,
        eos: int,
        torch: Any,
    ) -> None:
        self.limits = limits
        self.start = start
        self.late = [False] * len(limits)
        self.cut = [False] * len(limits)
        self._matchers = matchers
        self._deadlines = deadlines
        self._tellers = tellers
        self._eos = eos
        self._torch = torch
        self._done = [False] * len(limits)

    def constrain(self, tokens: Any, scores: Any) -> Any:
        """Leave each row only what its schema lets follow."""
        last = tokens[:, -1].tolist() if tokens.shape[1] > self.start else None
        for row, matcher in enumerate(self._matchers):
            if self._done[row]:
                continue
            if last is not None:
                self._done[row] = last[row] == self._eos
                if matcher is not None and not self._done[row]:
                    matcher.consume_token(last[row])
            if matcher is not None and not self._done[row]:
                scores[row].masked_fill_(~self._allowed(matcher, scores), float("-inf"))
        return scores

    def _allowed(self, matcher: Any, scores: Any) -> Any:
        bits = np.frombuffer(matcher.compute_bitmask(), dtype=np.uint8)
        allowed = np.unpackbits(bits, bitorder="little")[: scores.shape[1]].astype(bool)
        allowed = np.pad(allowed, (0, scores.shape[1] - len(allowed)))
        return self._torch.from_numpy(allowed).to(scores.device)

    def stop(self, tokens: Any, _scores: Any, **_: Any) -> Any:
        """Which rows have said enough, or had their time."""
        now = time.monotonic()
        written = tokens.shape[1] - self.start
        last = tokens[:, -1].tolist()
        stopped = []
        for row, limit in enumerate(self.limits):
            ended = self._done[row] or last[row] == self._eos
            if not ended and not self.cut[row] and (teller := self._tellers[row]):
                teller.hear(tokens[row, self.start :].tolist())
            if not ended:
                self.late[row] |= now > self._deadlines[row]
                self.cut[row] |= written >= limit
            stopped.append(ended or self.late[row] or self.cut[row])
        return self._torch.tensor(stopped, device=tokens.device)


def _longest(group: Sequence[_Prepared]) -> tuple[int, int]:
    """Of the prompts, and of what may be written to any of them."""
    outputs = (one.request.max_output_tokens for one in group)
    return max(len(one.tokens) for one in group), max(outputs)


def check_memory(name: str, settings: LocalSettings) -> None:
    """Refuse a model whose weights would not fit.

    Raises:
        ConfigurationError: They are larger than allowed, or than the memory that is available.
    """
    needed = weights_bytes(Path(name)) * _OVERHEAD * ((settings.bits or 16) / 16)
    allowed = settings.memory_bytes or _available_bytes()
    if allowed is not None and needed > allowed:
        raise ConfigurationError(
            f"The model local:{name} needs about {needed / 1e9:.1f} GB of memory, and "
            f"{allowed / 1e9:.1f} GB may be used; take a smaller one, or quantize it (?bits=4)."
        )


def weights_bytes(folder: Path) -> int:
    """The size of a model's weights on disk; 0 for one that is named, not a folder."""
    for pattern in _WEIGHTS:
        if files := list(folder.glob(pattern)):
            return sum(file.stat().st_size for file in files)
    return 0


def _available_bytes() -> int | None:
    try:
        lines = dict(line.split(":", 1) for line in _MEMINFO.read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None


def _import(name: str) -> tuple[Any, Any, Any]:
    try:
        import llguidance
        import torch
        import transformers
    except ImportError as error:
        raise MissingExtra(
            f"The engine local:{name} needs packages that are not installed: "
            "pip install 'ibidem[local]'."
        ) from error
    return torch, transformers, llguidance
