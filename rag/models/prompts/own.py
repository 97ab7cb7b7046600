"""Prompts of a caller's own: what they must and may contain to stand in for those that come along.

A task reads the output that it knows, so a prompt of one's own keeps to the schema of its task; and
it runs where others' requests do, so its template can neither call nor compute anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from jinja2 import TemplateSyntaxError, nodes

from rag.errors import ConfigurationError, Conflict, InvalidRequest
from rag.models.prompts import ENVIRONMENT, Prompt, Rendered, load
from rag.models.tasks import (
    AnswerTask,
    ClassifyTask,
    Exchange,
    ExtractTask,
    Label,
    ReasonTask,
    RewriteTask,
    SummarizeTask,
    Task,
    VerifyTask,
)
from rag.models.wording import inputs_of
from rag.models.wording.base import passage_input
from rag.types import Passage

_FORM = re.compile(r"[a-z][a-z0-9-]{0,39}")
_PATTERN = "zero-shot"
_MARKER = "0" * 16
_NEEDED = frozenset({"marker", "passages"})
# Words that no template has, where documents' words will be.
_TEXT, _TITLE = "canary-text", "canary-title"
_PASSAGE = Passage(
    document_id="",
    document_title=_TITLE,
    start=0,
    end=23,
    text=f"{_TEXT}\n{_TEXT}",
    score=1.0,
    start_page=1,
)
_GIVEN: dict[str, Any] = {
    "passages": (_PASSAGE, replace(_PASSAGE, start_page=None)),
    "instructions": "In a word.",
}
_LABEL = Label(name="rent", description="What is paid.", examples=("400 a month",))
_SAMPLES: Mapping[str, Task[Any]] = {
    "answer": AnswerTask(question="How much?", **_GIVEN),
    "extract": ExtractTask(schema={"type": "object", "properties": {}}, **_GIVEN),
    "classify": ClassifyTask(labels=(_LABEL,), **_GIVEN),
    "summarize": SummarizeTask(query="the rent", **_GIVEN),
    "reason": ReasonTask(**_GIVEN),
    "verify": VerifyTask(claim="It is 400.", **_GIVEN),
    "rewrite": RewriteTask(
        question="When is it due?",
        earlier=(Exchange(question="How much is the rent?", passages=(0,)),),
        imagine=True,
        **_GIVEN,
    ),
}
"""A task of each kind with all that it may have, to see whether a prompt renders."""

_ALLOWED = (
    nodes.And,
    nodes.Compare,
    nodes.Const,
    nodes.For,
    nodes.Getattr,
    nodes.If,
    nodes.Name,
    nodes.Not,
    nodes.Operand,
    nodes.Or,
    nodes.Output,
    nodes.Template,
    nodes.TemplateData,
    nodes.Test,
)


def check_own(prompt: Prompt) -> None:
    """Refuse a prompt that its task could not be asked with.

    Raises:
        InvalidRequest: The message says what is wrong with it.
        Conflict: A prompt of this name comes with Ibidem.
    """
    pattern = _pattern(prompt)
    if unknown := set(prompt.inputs) - set(pattern.inputs):
        raise _wrong(
            f"{', '.join(sorted(unknown))}: no input of this task; there are: "
            f"{', '.join(pattern.inputs)}."
        )
    used: set[str] = set()
    for _, text in prompt.sections:
        used = set(_names(text))  # those of the last section count
        if undeclared := used - set(prompt.inputs):
            raise _wrong(f"{', '.join(sorted(undeclared))}: used, but not among the inputs.")
    if missing := _NEEDED - used:
        raise _wrong(
            f"The last section needs {', '.join(sorted(missing))}: documents stand between lines "
            "that begin with the marker."
        )
    _check_schema(prompt, pattern)
    sample = _SAMPLES[prompt.task]
    for task in (sample, replace(sample, instructions=None)):
        try:
            rendered = preview(prompt, task)
        except ConfigurationError as error:
            raise _wrong(error.message) from error
        _check_enclosed(rendered)


def _check_enclosed(rendered: Rendered) -> None:
    """Refuse a prompt in which documents' words could be taken for its own."""
    *before, last = (rendered.system, *(turn.text for turn in rendered.turns))
    if any(one in text for text in before for one in (_TEXT, _TITLE)):
        raise _wrong("Passages belong into the last section, and into no other.")
    inside, shown = False, 0
    for line in last.splitlines():
        ends = line.startswith(f"[{_MARKER} end")
        begins = line.startswith(f"[{_MARKER} ") and not ends
        bare = not inside or begins or ends
        if bare and (_TEXT in line or _TITLE in line):
            shown = 0
            break
        shown += _TEXT in line
        inside = begins or (inside and not ends)
    if inside or not shown:
        raise _wrong(
            "The title and text of each passage stand on lines of their own, after one that "
            "begins with [{{ marker }} {{ passage.name }}], before one with [{{ marker }} end."
        )


def preview(prompt: Prompt, task: Task[Any]) -> Rendered:
    """A prompt for all the passages of a task, with a marker that any may know.

    Raises:
        ConfigurationError: It cannot be rendered.
    """
    passages = [passage_input(number, one) for number, one in enumerate(task.passages, start=1)]
    return prompt.render({**inputs_of(task), "passages": passages, "marker": _MARKER})


def _pattern(prompt: Prompt) -> Prompt:
    """The prompt of the same task that comes along, and says what all have to keep to."""
    known = load()
    if prompt.task not in _SAMPLES:
        raise _wrong(f"No task {prompt.task[:40]!r}; there are: {', '.join(_SAMPLES)}.")
    if not _FORM.fullmatch(prompt.form):
        raise _wrong("The form is a name of lower-case letters, digits and hyphens, at most 40.")
    if prompt.name in known:
        raise Conflict(
            f"The prompt {prompt.name} comes with Ibidem; choose another form.", param="text"
        )
    return known[f"{prompt.task}/{_PATTERN}"][-1]


def _names(text: str) -> Iterator[str]:
    """The inputs that a template uses.

    Raises:
        InvalidRequest: It uses what no prompt of a caller's may: only inputs, conditions, and
            loops over an input or over a part of what an outer loop is at.
    """
    try:
        template = ENVIRONMENT.parse(text)
    except TemplateSyntaxError as error:
        raise _wrong(f"The template cannot be read: {error.message}") from error
    yield from _within(template, frozenset())


def _within(node: nodes.Node, loops: frozenset[str]) -> Iterator[str]:
    if not isinstance(node, _ALLOWED):
        raise _wrong(f"A template may not use this: {type(node).__name__}.")
    if isinstance(node, nodes.Name) and node.name not in loops:
        yield node.name
    if isinstance(node, nodes.For):
        yield from _within(node.iter, loops)
        loops |= {_target(node, loops), "loop"}
    for child in node.iter_child_nodes(exclude=("iter",) if isinstance(node, nodes.For) else ()):
        yield from _within(child, loops)


def _target(node: nodes.For, loops: frozenset[str]) -> str:
    """What a loop is at; its rounds are no more than an input has parts."""
    over = node.iter
    if isinstance(over, nodes.Getattr):
        bounded = isinstance(over.node, nodes.Name) and over.node.name in loops
    else:
        bounded = isinstance(over, nodes.Name) and not loops
    if not bounded or not isinstance(node.target, nodes.Name) or node.recursive:
        raise _wrong("A loop goes over an input, or over a part of what the loop around it is at.")
    return node.target.name


def _check_schema(prompt: Prompt, pattern: Prompt) -> None:
    """Refuse a schema in which the task would not find what it reads."""
    own, expected = _bare(prompt.schema), _bare(pattern.schema)
    definitions = own.get("$defs", {})
    same = (
        expected["properties"].items() <= own.get("properties", {}).items()
        and set(expected["required"]) <= set(own.get("required", ()))
        and all(definitions.get(name) == one for name, one in expected.get("$defs", {}).items())
    )
    if not same:
        raise _wrong(
            f"The schema must have the properties and $defs of {pattern.name}; descriptions may "
            "differ, and there may be further properties."
        )


def _bare(schema: Any) -> Any:
    """A schema without descriptions; those that are properties stay."""
    if isinstance(schema, list):
        return [_bare(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: _bare(one)
        for name, one in schema.items()
        if name != "description" or not isinstance(one, str)
    }


def _wrong(message: str) -> InvalidRequest:
    return InvalidRequest(message, param="text")
