"""Prompts as code: locked, complete, and unable to be escaped from."""

from __future__ import annotations

import re

import pytest

from rag.errors import ConfigurationError, Conflict, InvalidRequest, NotFound
from rag.models import prompts
from rag.models.prompts import LOCK, find, load, lock_lines, read_prompt
from rag.models.prompts.own import check_own

HEADER = """+++
task = "answer"
form = "x"
inputs = ["question"]
changelog = "First."
schema = '{"type": "object"}'
+++
"""


def test_released_prompts_do_not_change() -> None:
    assert LOCK.read_text().splitlines() == lock_lines(), "add a new version instead"


def test_the_newest_version_is_found() -> None:
    assert find("answer/strict").version == load()["answer/strict"][-1].version
    with pytest.raises(NotFound, match="answer/strict"):
        find("answer/nonsense")
    with pytest.raises(NotFound):
        find("answer/strict", 99)


@pytest.mark.parametrize(
    "text",
    [
        "no header",
        HEADER,
        HEADER + "# user\n{{ question }}",
        HEADER + "# system\na\n# assistant\nb",
        HEADER + "before\n# system\na\n# user\nb",
        HEADER.replace("task = ", "tusk = ") + "# system\na\n# user\nb",
        HEADER.replace('{"type": "object"}', "{") + "# system\na\n# user\nb",
    ],
)
def test_what_is_no_prompt_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        read_prompt(text, 1)


@pytest.mark.parametrize(
    "template",
    [
        "{{ missing }}",
        "{{ question.__class__.__mro__ }}",
        "{{ ().__class__.__base__.__subclasses__() }}",
        "{% for i in range(10**9) %}{% endfor %}",
        "{{ question",
    ],
)
def test_templates_stay_in_their_sandbox(template: str) -> None:
    prompt = read_prompt(f"{HEADER}# system\na\n# user\n{template}", 1)
    with pytest.raises(ConfigurationError):
        prompt.render({"question": "q"})


def test_inputs_are_no_templates() -> None:
    prompt = prompts.find("answer/strict")
    values = {
        "marker": "m",
        "question": "{{ 7 * 7 }}",
        "passages": [],
        "instructions": "",
    }
    assert "{{ 7 * 7 }}" in prompt.render(values).turns[-1].text


def own(**changes: str) -> str:
    """A prompt of a caller's own: one that comes along, under another name."""
    text = find("classify/zero-shot").text.replace('form = "zero-shot"', 'form = "mine"')
    for old, new in changes.items():
        old = {"marker": "{{ marker }}", "loop": "{% for label in labels -%}"}.get(old, old)
        assert old in text
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize("task", ["answer", "classify", "extract", "reason", "summarize", "verify"])
def test_a_prompt_of_ones_own_may_be_like_those_that_come_along(task: str) -> None:
    for form in ("zero-shot", "few-shot", "chain-of-thought", "strict"):
        text = find(f"{task}/{form}").text.replace(f'form = "{form}"', 'form = "mine-2"')
        prompt = read_prompt(text.replace('"description": "', '"description": "Do: '), 3)
        check_own(prompt)
        assert (prompt.name, prompt.version) == (f"{task}/mine-2", 3)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({'task = "classify"': 'task = "cook"'}, "No task 'cook'"),
        ({'form = "mine"': 'form = "My/form"'}, "lower-case"),
        ({'form = "mine"': 'form = "strict"'}, "comes with Ibidem"),
        ({'"labels"]': '"labels", "draft"]'}, "draft: no input"),
        ({"# user\n": "# user\n{{ weather }}"}, "weather: used"),
        ({"marker": "here"}, "needs marker"),
        ({"# system\n": "# system\n{{ marker }}{% for p in passages %}{{ p.text }}{% endfor %}\n"},
         "into the last section"),
        ({"# user\n": "# user\n{% for p in passages %}{{ p.text }}{% endfor %}\n"},
         "lines of their own"),
        ({"# user\n": "# user\n{% for p in passages %}{{ p.document }}{% endfor %}\n"},
         "lines of their own"),
        ({"# user\n": "# user\n{% if not instructions %}{% for p in passages %}{{ p.text }}"
          "{% endfor %}{% endif %}\n"}, "lines of their own"),
        ({"{{ passage.text }}\n": ""}, "lines of their own"),
        ({"{{ passage.name }}]\n": "{{ passage.name }}] "}, "lines of their own"),
        ({"[{{ marker }} end": "{{ passage.text }} [{{ marker }} end"}, "lines of their own"),
        ({"[{{ marker }} end of {{ passage.name }}]": ""}, "lines of their own"),
        ({"[{{ marker }} {{": "{{ marker }} [{{"}, "lines of their own"),
        ({"# user\n": "# user\n{% for i in range(9) %}{% endfor %}"}, "Call"),
        ({"# user\n": "# user\n{% for a in passages.x %}{% endfor %}"}, "A loop goes"),
        ({"# user\n": "# user\n{{ passages.__class__ }}"}, "cannot be rendered"),
        ({"passage.text": "passage.author"}, "cannot be rendered"),
        ({"# user\n": "# user\n{{ 'x' * 1000000000 }}"}, "Mul"),
        ({"# user\n": "# user\n{{ passages.__class__() }}"}, "Call"),
        ({"# user\n": "# user\n{{ passages | tojson }}"}, "Filter"),
        ({"loop": "{% for label in labels -%}{% for a in labels %}{% endfor %}"}, "A loop goes"),
        ({"# user\n": "# user\n{% include 'x' %}"}, "Include"),
        ({"# user\n": "# user\n{% if %}"}, "cannot be read"),
        ({'"features": {\n      "type": "array"': '"features": {"type": "string"'}, "schema must"),
        ({'"required": ["reasoning", "features",': '"required": ["reasoning",'}, "schema must"),
    ],
)  # fmt: skip
def test_a_prompt_that_its_task_cannot_be_asked_with_is_refused(
    changes: dict[str, str], why: str
) -> None:
    with pytest.raises((InvalidRequest, Conflict), match=re.escape(why)):
        check_own(read_prompt(own(**changes), 1))
