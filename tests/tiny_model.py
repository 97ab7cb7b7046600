"""A causal language model of random weights, small enough to be made for a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_TEMPLATE = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
CONTROLS = ("<|im_start|>", "<|im_end|>", "<think>")
_CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def make_chatml_tokenizer() -> Any:
    """A tokenizer whose chat template parts turns by tokens of its own, `CONTROLS`."""
    tokenizer = make_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": list(CONTROLS[:2])})
    tokenizer.add_tokens([CONTROLS[2], "  ", "rent"])
    tokenizer.chat_template = _CHATML
    return tokenizer


def make_tokenizer() -> Any:
    """A byte-level tokenizer with some merges of JSON."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<eos>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(
        ['{"name": "value", "total": 12.5, "items": [true, null]}'] * 9, trainer
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>")


def make_tiny_model(
    folder: Path, *, template: bool = True, window: int = 8_192, terse: bool = False
) -> Path:
    """Save a model of some ten thousand weights and its byte-level tokenizer.

    A ``terse`` one prefers to end the string that it writes; others go on for hundreds of tokens.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    fast = make_tokenizer()
    if template:
        fast.chat_template = _TEMPLATE
    torch.set_num_threads(1)  # more of them only wait for each other over so little
    torch.manual_seed(20)
    config = LlamaConfig(
        vocab_size=384,  # wider than the tokenizer, as real ones are
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=window,
        eos_token_id=fast.eos_token_id,
        bos_token_id=None,
    )
    model = LlamaForCausalLM(config)
    if terse:
        ends = [number for token, number in fast.get_vocab().items() if token.startswith('"')]
        with torch.no_grad():
            # What all hidden states share lifts the logits of the tokens that end a string.
            model.model.embed_tokens.weight[:, 0] = 0.06
            model.lm_head.weight[ends, 0] = 1.5
    model.save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder
