"""A causal language model of transformers in memory: loaded within a cap, held to a schema."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rag.errors import ConfigurationError, MissingExtra, ModelRejected
from rag.models.chat import ChatReply, ChatRequest, Finish, Role, Tokens
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


class LocalModel:
    """A loaded model. Not thread-safe: one batch at a time."""

    def __init__(self, name: str, settings: LocalSettings) -> None:
        """Load the model, its tokenizer and its adapter from a folder, or by name from the cache.

        Raises:
            MissingExtra: transformers or llguidance is not installed.
            ConfigurationError: The model cannot be loaded, or is too large.
        """
        self._torch, transformers, self._llguidance = _import(name)
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
        # The output layer is often wider than the vocabulary that the tokenizer knows.
        self._width = self._model.get_output_embeddings().weight.shape[0]
        import llguidance.hf

        self._grammar_tokens = llguidance.hf.from_tokenizer(self._tokenizer, n_vocab=self._width)

    def complete(
        self, requests: Sequence[ChatRequest], deadlines: Sequence[float]
    ) -> list[ChatReply | None]:
        """Replies in order, ``None`` for those whose time (``time.monotonic()``) ran out.

        All requests have the same temperature.

        Raises:
            ModelRejected: A request is longer than the model's window.
        """
        prompts = [self._prompt(request) for request in requests]
        encoded = self._tokenizer(
            prompts, return_tensors="pt", padding=True, add_special_tokens=False
        )
        lengths = encoded["attention_mask"].sum(dim=1).tolist()
        most = max(request.max_output_tokens for request in requests)
        self._check_window(max(lengths) + most)
        rows = _Rows(
            matchers=[self._matcher(request.schema) for request in requests],
            limits=[request.max_output_tokens for request in requests],
            deadlines=list(deadlines),
            start=encoded["input_ids"].shape[1],
            eos=self._tokenizer.eos_token_id,
            torch=self._torch,
        )
        temperature = requests[0].temperature
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
        written = found[:, rows.start :].tolist()
        return [
            None if rows.late[row] else self._reply(tokens, lengths[row], rows, row)
            for row, tokens in enumerate(written)
        ]

    def _reply(self, tokens: list[int], read: int, rows: _Rows, row: int) -> ChatReply:
        eos = self._tokenizer.eos_token_id
        own = tokens[: tokens.index(eos)] if eos in tokens else tokens[: rows.limits[row]]
        whole = eos in tokens[: rows.limits[row] + 1] and not rows.cut[row]
        return ChatReply(
            text=self._tokenizer.decode(own, skip_special_tokens=True),
            finish=Finish.COMPLETE if whole else Finish.LENGTH,
            model=str(self._model.config._name_or_path),
            tokens=Tokens(input=read, output=len(own)),
        )

    def _prompt(self, request: ChatRequest) -> str:
        """The conversation as the model was taught to read one."""
        system = request.system
        if request.schema is not None:
            system += f"\n\nReply with JSON of this schema: {json.dumps(request.schema)}"
        turns = [{"role": turn.role.value, "content": turn.text} for turn in request.turns]
        if not self._tokenizer.chat_template:
            said = "\n\n".join(f"{turn['role']}: {turn['content']}" for turn in turns)
            return f"{system}\n\n{said}\n\n{Role.ASSISTANT}: "
        try:
            messages = [{"role": "system", "content": system}, *turns]
            return self._template(messages)
        except Exception:  # templates raise errors of their own for roles that they do not know
            first = {**turns[0], "content": f"{system}\n\n{turns[0]['content']}"}
            return self._template([first, *turns[1:]])

    def _template(self, messages: list[dict[str, str]]) -> str:
        return str(
            self._tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True
            )
        )

    def _matcher(self, schema: Mapping[str, Any] | None) -> Any:
        if schema is None:
            return None
        matcher = self._llguidance.LLMatcher
        grammar = matcher.grammar_from_json_schema(json.dumps(for_local(schema)), defaults=_COMPACT)
        made = matcher(self._grammar_tokens, grammar)
        if made.is_error():
            raise ModelRejected(f"The schema cannot be followed token by token: {made.get_error()}")
        return made

    def _check_window(self, tokens: int) -> None:
        window = getattr(self._model.config, "max_position_embeddings", None)
        if window is not None and tokens > window:
            raise ModelRejected(
                f"The call needs {tokens} tokens, and the model's window has {window}."
            )


class _Rows:
    """The requests of a batch while it is generated: what each may say, and until when."""

    def __init__(
        self,
        *,
        matchers: list[Any],
        limits: list[int],
        deadlines: list[float],
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
            if not ended:
                self.late[row] |= now > self._deadlines[row]
                self.cut[row] |= written >= limit
            stopped.append(ended or self.late[row] or self.cut[row])
        return self._torch.tensor(stopped, device=tokens.device)


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
