"""A reader's folder: its files, their checksums, and what was fitted on top of the network.

``reader.json`` holds the sha256 of each other file, how many tokens a window has and how many of
them two windows share, and, by name, constants of small models over what is
read: ``sentence`` (see `rag.models.offline.reading`), ``support`` (a `Curve`), ``rerank`` and
``extract``. They belong to the weights that they were fitted on, and a use of
the reader for which there are none is one that was not found to be better: it is left alone.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rag.errors import ConfigurationError

NETWORK, TOKENIZER, CARD = "reader.onnx", "tokenizer.json", "reader.json"
_VERSION = 2
"""Of what the fitted constants mean."""
SHIPPED = Path(__file__).resolve().parents[3] / "data" / "models" / "reader"
"""Where the reader lies that comes with Ibidem, if one does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A logit to a probability: ``slope`` and ``constant`` of a logistic curve (Platt, 1999).

    From the probability ``least`` on something counts as so.
    """

    slope: float
    constant: float
    least: float

    def probability(self, logit: float) -> float:
        """Between 0 and 1, also for the extremes of logits."""
        return 1 / (1 + math.exp(-max(-60.0, min(60.0, self.slope * logit + self.constant))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What is known of a reader's files: ``sha256`` by name, and constants by use.

    It reads windows of ``length`` tokens, of which two of one passage share ``stride``.
    """

    sha256: Mapping[str, str]
    length: int = 256
    stride: int = 96
    fitted: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """What tells this reader from others."""
        return f"reader-{self.sha256[NETWORK][:12]}"

    def curve(self, use: str) -> Curve | None:
        """The curve that was fitted for a use, if one was."""
        fitted = self.fitted.get(use)
        return None if fitted is None else Curve(**fitted)


def read_card(folder: Path) -> Card:
    """The card of a folder, whose files are those that it was written for.

    Raises:
        ConfigurationError: A file is missing, or is another one.
    """
    try:
        stored: Mapping[str, Any] = json.loads((folder / CARD).read_text(encoding="utf-8"))
        card = Card(
            sha256={name: stored["sha256"][name] for name in (NETWORK, TOKENIZER)},
            length=stored["length"],
            stride=stored["stride"],
            fitted=stored["fitted"],
        )
        version = stored["version"]
        found = {name: _sha256(folder / name) for name in card.sha256}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{folder} holds no reader ({type(error).__name__}: {error}). Name a folder with "
            f"{NETWORK}, {TOKENIZER} and {CARD} in IBIDEM_READER, or set it to none."
        ) from error
    if version != _VERSION:
        raise ConfigurationError(
            f"What was fitted for the reader in {folder} is of version {version}, and this program "
            f"knows version {_VERSION}. Fit it anew (tests/benchmarks/README.md), or name another "
            "in IBIDEM_READER."
        )
    for name, sha256 in card.sha256.items():
        if found[name] != sha256:
            raise ConfigurationError(
                f"{folder / name} is damaged or not the file that {CARD} was written for: its "
                f"sha256 is {found[name]}, expected {sha256}. Copy the folder again."
            )
    return card


def write_card(
    folder: Path,
    fitted: Mapping[str, Mapping[str, float]],
    *,
    length: int = 256,
    stride: int = 96,
) -> Card:
    """Write the card of the files in a folder, with what was fitted for them."""
    card = Card(
        sha256={name: _sha256(folder / name) for name in (NETWORK, TOKENIZER)},
        length=length,
        stride=stride,
        fitted=fitted,
    )
    stored = {"version": _VERSION, **asdict(card)}
    (folder / CARD).write_text(json.dumps(stored, indent=2) + "\n", encoding="utf-8")
    return card


def add_fitted(folder: Path, fitted: Mapping[str, Mapping[str, float]]) -> Card:
    """Write into the card of a folder what was fitted for some uses; other uses stay."""
    card = read_card(folder)
    together = {**card.fitted, **fitted}
    return write_card(folder, together, length=card.length, stride=card.stride)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
