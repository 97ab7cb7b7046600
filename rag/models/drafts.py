"""What an output says, read while it is still being written.

Nothing of it counts before the whole has been validated: a listener may have to take back all
that it was told. Outputs whose statements cannot be told apart yet tell nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from rag.models.tasks import Statement
from rag.models.wording.base import statement
from rag.types import Passage

_STATEMENTS, _TEXT = "statements", "text"
# Where the text of a statement stands: in an object of a list of the object that is the output.
_OF_A_STATEMENT = ("{", "[", "{")
_SHORT_ESCAPE, _LONG_ESCAPE = len("\\n"), len("\\u0000")
# The first halves of characters that are escaped in two.
_HIGH_SURROGATES = frozenset(map(chr, range(0xD800, 0xDC00)))
_THOUGHT, _THOUGHT_OUT = "<think>", "</think>"
# Of what is longer the rest comes with the answer: reading on would hold up its call.
_MOST_CHARACTERS = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """An output begins; what was told before it counts no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The next piece of the text of a statement."""

    text: str


Part: TypeAlias = Begun | Words | Statement
"""Pieces of a statement come before the whole of it; of one that cannot be read that is empty."""

Listener: TypeAlias = Callable[[Part], None]


@dataclass(slots=True)
class _Level:
    """An object or a list that has begun; ``key`` is the last of an object's."""

    bracket: str
    key: str = ""
    awaits_key: bool = False


class Drafts:
    """Tells the statements of one output, as JSON of the answering prompts' schema has them."""

    def __init__(self, passages: Sequence[Passage], listener: Listener) -> None:
        self._passages = passages
        self._listener = listener
        self._levels: list[_Level] = []
        self._over = True
        self._left = 0

    def begin(self) -> None:
        """Another output begins."""
        self._before = _Before()
        self._left = _MOST_CHARACTERS
        self._levels = []
        self._string: _String | None = None
        self._object: list[str] = []
        self._over = False
        self._listener(Begun())

    def piece(self, text: str) -> None:
        """Go on with the next piece of the output."""
        words: list[str] = []
        drafted = text[: self._left]
        self._left -= len(drafted)
        for character in drafted:
            if self._over:
                break
            for said in self._read(character):
                if isinstance(said, str):
                    words.append(said)
                    continue
                self._tell(words)
                self._listener(said)
        self._tell(words)

    def _tell(self, words: list[str]) -> None:
        if words:
            self._listener(Words(text="".join(words)))
            words.clear()

    def _read(self, character: str) -> Iterator[str | Statement]:
        if not self._levels:
            self._open(character)
            return
        if len(self._levels) >= len(_OF_A_STATEMENT):
            self._object.append(character)
        if self._string is not None:
            yield from self._within(self._string, character)
        elif character == '"':
            level = self._levels[-1]
            self._string = _String(is_key=level.awaits_key, is_told=self._is_text())
        elif character in "{[":
            self._begin_level(character)
        elif character in "}]":
            yield from self._end_level()
        elif character == ",":
            self._levels[-1].awaits_key = self._levels[-1].bracket == "{"

    def _open(self, character: str) -> None:
        """Wait for the output to begin, behind words and thoughts."""
        if character == "{" and not self._before.is_thought:
            self._levels.append(_Level("{", awaits_key=True))
        else:
            self._before.add(character)

    def _within(self, string: _String, character: str) -> Iterator[str]:
        told = string.add(character)
        if string.is_told and told:
            yield told
        if string.is_over:
            self._string = None
            if string.is_key:
                self._levels[-1].key = string.text
                self._levels[-1].awaits_key = False

    def _begin_level(self, bracket: str) -> None:
        self._levels.append(_Level(bracket, awaits_key=bracket == "{"))
        if len(self._levels) == len(_OF_A_STATEMENT):
            self._object = [bracket]

    def _end_level(self) -> Iterator[Statement]:
        if self._is_statement():
            yield self._statement()
        self._levels.pop()
        self._over = not self._levels

    def _is_statement(self) -> bool:
        if len(self._levels) != len(_OF_A_STATEMENT) or self._levels[0].key != _STATEMENTS:
            return False
        return tuple(level.bracket for level in self._levels) == _OF_A_STATEMENT

    def _is_text(self) -> bool:
        level = self._levels[-1]
        return not level.awaits_key and level.key == _TEXT and self._is_statement()

    def _statement(self) -> Statement:
        try:
            said = json.loads("".join(self._object), strict=False)
            return statement(said, self._passages)
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
            return Statement(text="", evidence=())


class _Before:
    """What stands before an output: words, or the thoughts of a model that are not over yet."""

    def __init__(self) -> None:
        self._last = ""
        self._began = self._ended = False

    def add(self, character: str) -> None:
        """Go on with the next character."""
        self._last = (self._last + character)[-len(_THOUGHT_OUT) :]
        self._began |= self._last.endswith(_THOUGHT)
        self._ended |= self._last == _THOUGHT_OUT

    @property
    def is_thought(self) -> bool:
        """Whether thoughts have begun and not ended."""
        return self._began and not self._ended


class _String:
    """A string that is being read; its white space is evened out as in a statement."""

    def __init__(self, *, is_key: bool, is_told: bool) -> None:
        self.is_key = is_key
        self.is_told = is_told
        self.is_over = False
        self._said: list[str] = []
        self._escape = self._high = self._gap = ""

    @property
    def text(self) -> str:
        """All that was told of it."""
        return "".join(self._said)

    def add(self, character: str) -> str:
        """What is to be told now that this character is known; often nothing yet."""
        if self._escape:
            return self._even(self._unescaped(character))
        if character == "\\":
            self._escape = character
        elif character == '"':
            self.is_over = True
        else:
            return self._even(character)
        return ""

    def _unescaped(self, character: str) -> str:
        """The character that an escape stands for, once it is whole."""
        self._escape += character
        if len(self._escape) < (_LONG_ESCAPE if self._escape[1] == "u" else _SHORT_ESCAPE):
            return ""
        try:
            made: str = json.loads(f'"{self._high}{self._escape}"')
        except ValueError:  # the whole cannot be read either
            made = ""
        self._high = self._escape if made in _HIGH_SURROGATES else ""
        self._escape = ""
        return "" if self._high else made

    def _even(self, characters: str) -> str:
        told = ""
        for character in characters:
            if character.isspace():
                self._gap = " " if self._said or told else ""
            else:
                told += self._gap + character
                self._gap = ""
        if told:
            self._said.append(told)
        return told
