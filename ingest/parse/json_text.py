"""JSON and JSON lines: stored as decoded, unchanged, and checked to be what they claim.

What is not valid is read as text all the same, and a warning says where it breaks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from ingest.parse.parts import Part
from ingest.parse.text import read_text

# The values of JSON lines; a value that spans lines is one of JSON, which is tried first.
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")
_MORE = "Extra data"


def parse(path: Path) -> Iterator[Part]:
    """The whole file as one part.

    Raises:
        EmptyDocument: There is nothing but white space.
    """
    text, warnings = read_text(path)
    fault = _fault(text)
    if fault and fault.startswith(_MORE):
        fault = _line_faults(text)
    if fault:
        warnings += (f"it is read as text, for it is not valid JSON: {fault}",)
    yield Part(text=text, warnings=warnings)


def _line_faults(text: str) -> str | None:
    """What is wrong with the values that stand one on each line."""
    faults = ((number, _fault(line)) for number, line in _lines(text))
    broken = [(number, fault) for number, fault in faults if fault]
    if not broken:
        return None
    number, first = broken[0]
    more = f" (and {len(broken) - 1} more lines)" if len(broken) > 1 else ""
    return f"line {number}: {first}{more}"


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines that are not blank, with their numbers from 1."""
    for number, found in enumerate(_LINE.finditer(text), start=1):
        if found.group().strip():
            yield number, found.group()


def _fault(text: str) -> str | None:
    """What keeps the text from being one JSON value; ``None`` if nothing does."""
    try:
        # Nothing is built but lists of nothing: numbers may have a million digits.
        json.loads(
            text,
            parse_int=_nothing,
            parse_float=_nothing,
            parse_constant=_refuse_constant,
            object_pairs_hook=_nothing,
        )
    except RecursionError:
        return "nested too deeply to be checked"
    except json.JSONDecodeError as error:
        return f"{error.msg} at line {error.lineno}, column {error.colno}"
    except ValueError as error:
        return str(error)
    return None


def _nothing(_value: object) -> None:
    return None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")
