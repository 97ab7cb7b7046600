"""What a highlight has changed on the picture of a page."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Highlight:
    """Shares from 0 to 1.

    - ``yellow``: of the paper within the boxes, what has turned yellow.
    - ``ink``: of the area within the boxes, what is dark: 0 when they hold no text.
    - ``elsewhere``: of the page, what has changed outside of the boxes.
    """

    yellow: float
    ink: float
    elsewhere: float


def highlight(plain: bytes, marked: bytes, boxes: Iterable[Mapping[str, Any]]) -> Highlight:
    """Compare the PNGs of a page without and with these boxes of it highlighted."""
    before, after = _pixels(plain), _pixels(marked)
    assert before.shape == after.shape
    inside = np.zeros(before.shape[:2], bool)
    height, width = inside.shape
    for box in boxes:
        rows = slice(round(box["y0"] * height), round(box["y1"] * height))
        inside[rows, round(box["x0"] * width) : round(box["x1"] * width)] = True
    assert inside.any()
    light = inside & (before.min(axis=2) > 160)
    yellow = before[:, :, 2] - after[:, :, 2] > 100
    return Highlight(
        yellow=float(yellow[light].mean()),
        ink=float((before[inside].max(axis=1) < 128).mean()),
        elsewhere=float((before != after).any(axis=2)[~inside].mean()),
    )


def _pixels(png: bytes) -> NDArray[np.int16]:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), np.int16)
