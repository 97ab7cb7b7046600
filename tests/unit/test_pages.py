from __future__ import annotations

import numpy as np
import pytest

from ingest.parse.pages import displayed, numbered


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ([4], "page 4"),
        ([1, 2], "pages 1-2"),
        ([3, 4, 5, 9, 12, 13], "pages 3-5, 9 and 12-13"),
        (list(range(1, 31, 2)), "pages 1, 3, 5, 7, 9, 11, 13, 15, 17, 19 and 5 more"),
    ],
)
def test_page_numbers_in_words(numbers: list[int], words: str) -> None:
    assert numbered(numbers) == words


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_boxes_of_a_turned_page_return_to_their_place(turn: int) -> None:
    page = np.zeros((40, 60), np.uint8)
    page[5:9, 20:50] = 255
    upright = np.rot90(page, -turn // 90)
    ys, xs = np.nonzero(upright)
    box = np.array([[xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], [0, 0, 0, 0]], np.float64)
    back = displayed(box, 60.0, 40.0, turn)
    assert back.tolist() == [[20, 5, 50, 9], [0, 0, 0, 0]]
