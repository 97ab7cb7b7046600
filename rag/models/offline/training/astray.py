"""Questions led astray: changed so little that a passage seems to answer them, and does not.

People who were asked for questions without an answer changed names, numbers and directions of
questions that have one, and negated them (Rajpurkar, Jia and Liang, 2018).
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

_NUMBER = re.compile(r"\b\d[\d,.]*\b")
_NAME = re.compile(r"(?<!^)(?<![.!?] )\b[A-Z][a-z]+(?: [A-Z][a-z]+)*")
_NEGATED = re.compile(
    r"^((?:Who|What|Which \w+|How many \w+) "
    r"(?:is|are|was|were|has|have|had|can|could|will|would))"
    r"(?= [a-z]+(?:ed|en|ing|lt|nt|ld|ght|wn)\b)"
)
_PAIRS = (
    "first last",
    "before after",
    "most least",
    "more less",
    "largest smallest",
    "large small",
    "highest lowest",
    "high low",
    "oldest newest",
    "old new",
    "earliest latest",
    "early late",
    "best worst",
    "long short",
    "longest shortest",
    "north south",
    "northern southern",
    "east west",
    "eastern western",
    "upper lower",
    "above below",
    "begin end",
    "began ended",
    "start stop",
    "started stopped",
    "won lost",
    "win lose",
    "increase decrease",
    "increased decreased",
    "rise fall",
    "majority minority",
    "maximum minimum",
    "public private",
    "positive negative",
    "male female",
    "men women",
    "accepted rejected",
    "allowed forbidden",
    "opened closed",
    "created destroyed",
    "strong weak",
    "fast slow",
    "common rare",
    "with without",
    "inside outside",
    "major minor",
    "many few",
    "same different",
    "always never",
)
_OPPOSITES = {
    one: other for pair in _PAIRS for one, other in (pair.split(), reversed(pair.split()))
}
_OPPOSED = re.compile(rf"\b(?:{'|'.join(_OPPOSITES)})\b")


def astray(text: str, passage: str, beside: Sequence[str], dice: random.Random) -> str | None:
    """A question like this one that the passage does not answer; nothing where there is none.

    Args:
        text: A question that the passage answers.
        passage: Answers it.
        beside: Texts on the same, of which names are taken too.
        dice: Chooses.
    """
    edits: list[Callable[[str, str, Sequence[str], random.Random], str | None]]
    edits = [_other_name, _other_number, _opposite, _negated]
    dice.shuffle(edits)
    for edit in edits:
        changed = edit(text, passage, beside, dice)
        if changed is not None and changed != text:
            return changed
    return None


def _other_name(text: str, passage: str, beside: Sequence[str], dice: random.Random) -> str | None:
    here = list(_NAME.finditer(text))
    others = [one for where in (passage, *beside) for one in _NAME.findall(where)]
    others = [one for one in dict.fromkeys(others) if one not in text]
    if not here:
        return None
    spot = dice.choice(here)
    others = [one for one in others if spot[0] not in one]  # a longer name of the same
    return f"{text[: spot.start()]}{dice.choice(others)}{text[spot.end() :]}" if others else None


def _other_number(
    text: str, passage: str, beside: Sequence[str], dice: random.Random
) -> str | None:
    here = list(_NUMBER.finditer(text))
    if not here:
        return None
    spot = dice.choice(here)
    known = _NUMBER.findall(passage)
    others: list[str] = [one for one in known if len(one) == len(spot[0]) and one != spot[0]]
    if others and dice.random() < 0.5:
        other = dice.choice(others)
    else:
        place = dice.choice([at for at, sign in enumerate(spot[0]) if sign.isdigit()])
        shifted = str((int(spot[0][place]) + dice.randint(1, 9)) % 10)
        other = spot[0][:place] + shifted + spot[0][place + 1 :]
    return f"{text[: spot.start()]}{other}{text[spot.end() :]}"


def _opposite(text: str, passage: str, beside: Sequence[str], dice: random.Random) -> str | None:
    here = list(_OPPOSED.finditer(text))
    if not here:
        return None
    spot = dice.choice(here)
    return f"{text[: spot.start()]}{_OPPOSITES[spot[0]]}{text[spot.end() :]}"


def _negated(text: str, passage: str, beside: Sequence[str], dice: random.Random) -> str | None:
    return _NEGATED.sub(r"\1 not", text) if _NEGATED.search(text) else None
