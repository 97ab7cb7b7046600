"""Values that stand behind a label, as lines of forms and rows of tables have them."""

from __future__ import annotations

import re
from collections.abc import Iterator

# "Total: 12", "| Total | 12 |", "Total\t12".
_LABELLED = re.compile(
    r"^[^\S\n]*[|*#-]*[^\S\n]*(?P<label>[^\s:：|*#-][^:：|\t\n]{1,60}?)\**[^\S\n]*[:：|\t]"  # noqa: RUF001
    r"[^\S\n:：|*]*[|*]*[^\S\n]*(?P<value>[^\s:：|*][^|\n]*?)[^\S\n]*(?:\|[^\n]*)?$",  # noqa: RUF001
    re.MULTILINE,
)
_LONGEST_VALUE = 200
# Characters of a line that was broken because it was full, and of a value of several lines.
_FULL_LINE, _LONGEST_SAID = 60, 500


def labelled_values(text: str) -> Iterator[tuple[str, int, int]]:
    """Labels, and where the values after them stand, line by line."""
    for match in _LABELLED.finditer(text):
        if len(match["value"]) <= _LONGEST_VALUE:
            yield match["label"], match.start("value"), match.end("value")


def whole_value(text: str, start: int, end: int) -> int:
    """Where a value ends that goes on in the next lines, as in a page whose lines are full."""
    line = text.rfind("\n", 0, start) + 1
    goes_on = end - line >= _FULL_LINE and text[end : end + 1] == "\n"
    alone = not any(first > end for _, first, _ in labelled_values(text))
    return len(text) if goes_on and alone and len(text) - start <= _LONGEST_SAID else end
