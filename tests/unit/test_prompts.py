"""Prompts as code: locked, complete, and unable to be escaped from."""

from __future__ import annotations

import pytest

from rag.errors import ConfigurationError, InvalidRequest, NotFound
from rag.models import prompts
from rag.models.prompts import LOCK, find, load, lock_lines, read_prompt

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
