"""Prompts as code: versioned files that never change once they are released.

A file is ``TASK/FORM.VERSION.md``: a TOML header between lines of ``+++`` (task, form, inputs,
changelog, the output's JSON Schema) and a template in sections, ``# system`` first, then
``# user`` and ``# assistant`` in turn. ``prompts.lock`` holds the sha256 of each file; to
change one, add the next version.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, Template
from jinja2.exceptions import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from rag.errors import ConfigurationError, InvalidRequest, NotFound
from rag.models.chat import Role, Turn
from rag.models.schema import check_schema
from rag.types import PromptUsed

__all__ = ["ENVIRONMENT", "Prompt", "Rendered", "find", "load", "read_prompt"]

FOLDER = Path(__file__).parent
LOCK = FOLDER / "prompts.lock"
_FILE = re.compile(r"(?P<form>[a-z-]+)\.(?P<version>\d+)\.md")
_HEADER = re.compile(r"\+\+\+\n(?P<header>.*?)\n\+\+\+\n(?P<body>.*)", re.DOTALL)
_SECTION = re.compile(r"(?m)^# (system|user|assistant)\n")
_LOADING = threading.Lock()
_FIELDS = {"task": str, "form": str, "inputs": list, "changelog": str, "schema": str}
ENVIRONMENT = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined, autoescape=False, keep_trailing_newline=False
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A prompt with its inputs filled in."""

    system: str
    turns: tuple[Turn, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One version of one form of asking for a task."""

    task: str
    form: str
    version: int
    sha256: str
    inputs: tuple[str, ...]
    changelog: str
    schema: Mapping[str, Any]
    sections: tuple[tuple[str, str], ...]
    text: str
    """The whole of its file."""

    @property
    def name(self) -> str:
        """Task and form, such as ``answer/chain-of-thought``."""
        return f"{self.task}/{self.form}"

    @property
    def used(self) -> PromptUsed:
        """What outcomes and the books say of it."""
        return PromptUsed(name=self.name, version=self.version, sha256=self.sha256)

    def render(self, inputs: Mapping[str, Any]) -> Rendered:
        """Fill the inputs in.

        Raises:
            ConfigurationError: An input is missing, or the template asks for what it may not.
        """
        try:
            filled = [
                (role, _template(text).render(inputs).strip()) for role, text in self.sections
            ]
        except (TemplateError, ArithmeticError, TypeError, ValueError) as error:
            raise ConfigurationError(
                f"The prompt {self.name} {self.version} cannot be rendered: {error}"
            ) from error
        turns = tuple(Turn(role=Role(role), text=text) for role, text in filled[1:])
        return Rendered(system=filled[0][1], turns=turns)


@lru_cache(maxsize=256)
def _template(text: str) -> Template:
    return ENVIRONMENT.from_string(text)


def read_prompt(text: str, version: int) -> Prompt:
    """A prompt from the text of its file.

    Raises:
        InvalidRequest: The text is none; the message says why.
    """
    match = _HEADER.fullmatch(text)
    if match is None:
        raise InvalidRequest("A prompt begins with a header between two lines of +++.")
    header = _header(match["header"])
    parts = _SECTION.split(match["body"])
    sections = tuple(zip(parts[1::2], parts[2::2], strict=True))
    roles = [role for role, _ in sections]
    expected = ["system", *(("user", "assistant")[i % 2] for i in range(len(roles) - 1))]
    if parts[0].strip() or roles != expected or len(roles) % 2:
        raise InvalidRequest(
            "A prompt has the sections # system and # user, with # assistant and # user after "
            "them for examples; it ends with # user."
        )
    return Prompt(
        task=header["task"],
        form=header["form"],
        version=version,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        inputs=tuple(header["inputs"]),
        changelog=header["changelog"],
        schema=json.loads(header["schema"]),
        sections=sections,
        text=text,
    )


def _header(text: str) -> dict[str, Any]:
    try:
        header = tomllib.loads(text)
        schema = json.loads(header.get("schema", ""))
    except ValueError as error:
        raise InvalidRequest(f"The prompt's header cannot be read: {error}") from error
    for name, kind in _FIELDS.items():
        if not isinstance(header.get(name), kind):
            raise InvalidRequest(f"The prompt's header needs {name}, a {kind.__name__}.")
    check_schema(schema)
    return header


def load() -> Mapping[str, Sequence[Prompt]]:
    """The prompts that come with Ibidem by name, each with its versions, oldest first."""
    with _LOADING:  # or as many threads as ask first would all read them, for many seconds
        return _loaded()


@cache
def _loaded() -> Mapping[str, Sequence[Prompt]]:
    found: dict[str, list[Prompt]] = {}
    for path in sorted(FOLDER.glob("*/*.md")):
        match = _FILE.fullmatch(path.name)
        if match is None:
            raise ConfigurationError(f"{path.name} is not named FORM.VERSION.md.")
        prompt = read_prompt(path.read_text(encoding="utf-8"), int(match["version"]))
        found.setdefault(prompt.name, []).append(prompt)
    return {name: sorted(all_, key=lambda p: p.version) for name, all_ in found.items()}


def find(name: str, version: int | None = None) -> Prompt:
    """One version of a prompt, the newest when none is named.

    Raises:
        NotFound: There is no such prompt; the message lists what there is.
    """
    versions = load().get(name, ())
    for prompt in reversed(versions):
        if version in (None, prompt.version):
            return prompt
    known = ", ".join(f"{one} ({len(all_)})" for one, all_ in load().items())
    raise NotFound(f"No prompt {name!r} of version {version or 'any'}; there are: {known}.")


def lock_lines() -> list[str]:
    """What ``prompts.lock`` has to say: sha256 and path of each file."""
    return [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(FOLDER).as_posix()}"
        for path in sorted(FOLDER.glob("*/*.md"))
    ]
