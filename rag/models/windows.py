"""How much models can read: tokens of input and output together, by the names of the models."""

from __future__ import annotations

import json
from pathlib import Path

_LOCAL = "local:"
_WINDOWS = {
    "openai:": 128_000,
    "openai:gpt-3.5": 16_385,
    "openai:gpt-4": 8_192,
    "openai:gpt-4-turbo": 128_000,
    "openai:gpt-4o": 128_000,
    "openai:gpt-4.1": 1_047_576,
    "openai:gpt-5": 272_000,  # of input alone; all together 400,000
    "openai:o1": 128_000,
    "openai:o3": 200_000,
    "openai:o4": 200_000,
    "anthropic:": 200_000,
}
_UNKNOWN = 8_192
"""What servers of one's own commonly give a model; some cut without a word what is more."""

HOW_TO_WIDEN = "if it is larger, say so after the model's name (#window=TOKENS)"


def known_window(model_id: str) -> int:
    """The window of a model; of several names that match, the longest counts.

    A local model's is in its folder.
    """
    if model_id.startswith(_LOCAL):
        name = model_id.removeprefix(_LOCAL)
        return _of_folder(name) or _of_folder(name.rpartition("+")[0]) or _UNKNOWN
    fitting = [name for name in _WINDOWS if model_id.startswith(name)]
    return _WINDOWS[max(fitting, key=len)] if fitting else _UNKNOWN


def _of_folder(name: str) -> int | None:
    try:
        config = json.loads(Path(name, "config.json").read_text(encoding="utf-8"))
        return int(config["max_position_embeddings"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
