"""Prompts over REST and on the command line: shown, added, tried, asked with, compared."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from api import cli
from rag.models.prompts import find
from tests.conftest import make_home
from tests.integration.conftest import LEASE, Opened
from tests.integration.test_rest_engines import QUESTION, reply, serving

pytest.importorskip("openai")

NOTICE = "a notice of ninety days in writing"


def own(rules: str = "Be brief.") -> str:
    text = find("answer/strict").text.replace('form = "strict"', 'form = "mine"')
    return text.replace("# system\n", f"# system\n{rules}\n")


def test_prompts_are_listed_and_shown(open_rest: Callable[..., Opened]) -> None:
    with open_rest() as rest:
        shown = rest.client.get("/v1/prompts").json()["data"]
        assert {one["task"] for one in shown} >= {"answer", "extract", "classify", "verify"}
        (strict,) = [one for one in shown if one["id"] == "answer/strict@1"]
        one = rest.client.get("/v1/prompts/answer/strict/1").json()
        assert one == strict | {"text": one["text"], "output_schema": one["output_schema"]}
        assert one["text"].startswith("+++\n")
        assert not one["own"]
        for path in ("answer/strict/99", "answer/none/1", "x/y/1"):
            assert rest.client.get(f"/v1/prompts/{path}").status_code == 404


def test_own_prompts_are_versions_that_never_change(open_rest: Callable[..., Opened]) -> None:
    with open_rest() as rest:

        def add(text: str) -> Any:
            return rest.client.post("/v1/prompts", json={"text": text})

        first, same, second = add(own()), add(own()), add(own("Be kind."))
        assert [one.status_code for one in (first, same, second)] == [201, 200, 201]
        assert first.json() == same.json()
        assert [one.json()["id"] for one in (first, second)] == ["answer/mine@1", "answer/mine@2"]
        kept = rest.client.get("/v1/prompts/answer/mine/1").json()
        assert (kept["text"], kept["own"]) == (own(), True)
        ids = [one["id"] for one in rest.client.get("/v1/prompts").json()["data"]]
        assert ids[-2:] == ["answer/mine@1", "answer/mine@2"]

        assert add("no prompt").status_code == 422
        taken = add(find("answer/strict").text)
        assert (taken.status_code, taken.json()["error"]["param"]) == (409, "text")
        assert len(rest.services.catalog.prompts.all("default")) == 2
        assert rest.services.catalog.prompts.all("another") == []


def test_a_question_is_asked_with_the_prompt_it_names(open_rest: Callable[..., Opened]) -> None:
    with serving() as server, open_rest(work=True, engine=server.engine) as rest:
        rest.ready("lease.txt", LEASE.encode())
        server.text = reply(NOTICE)
        rest.client.post("/v1/prompts", json={"text": own("Mind the tides.")})
        answer = rest.client.post("/v1/ask", json=QUESTION | {"prompt": "answer/mine"}).json()
        assert (answer["prompt"]["name"], answer["prompt"]["version"]) == ("answer/mine", 1)
        assert "Mind the tides." in json.dumps(server.asked)
        assert answer["sentences"][0]["citations"][0]["cited_text"] == NOTICE

        older = rest.client.post("/v1/ask", json=QUESTION | {"prompt": "answer/strict@1"}).json()
        assert older["prompt"]["version"] == 1
        for wrong in ("answer/mine@2", "verify/strict", "answer/none", "answer/mine@x"):
            refused = rest.client.post("/v1/ask", json=QUESTION | {"prompt": wrong})
            assert (refused.status_code, refused.json()["error"]["param"]) == (422, "prompt")
        asked = QUESTION | {"prompt": "answer/mine", "engine": "offline"}
        assert rest.client.post("/v1/ask", json=asked).status_code == 422


def test_a_prompt_is_tried(open_rest: Callable[..., Opened]) -> None:
    with serving() as server, open_rest(engine=server.engine) as rest:
        body = {"prompt": "answer/strict", "question": "How long?", "text": "Ninety days."}
        tried = rest.client.post("/v1/prompts:try", json=body).json()
        (turn,) = tried["rendered"]["turns"]
        assert "Ninety days." in turn["text"]
        assert "Question: How long?" in turn["text"]
        assert tried["outcome"] is None
        assert server.asked == []

        server.text = reply("Ninety days")
        tried = rest.client.post("/v1/prompts:try", json=body | {"run": True}).json()
        assert tried["outcome"]["value"][0]["text"] == "Ninety days, in writing."
        assert tried["outcome"]["usage"]["input_tokens"] == 10
        again = rest.client.post("/v1/prompts:try", json=body | {"run": True}).json()
        assert again["outcome"]["value"] == tried["outcome"]["value"]
        assert (again["outcome"]["attempts"], len(server.asked)) == (0, 1)
        offline = {"task": "classify", "text": "Rent of a boat", "run": True, "engine": "offline"}
        labels = [{"name": "boats"}, {"name": "taxes"}]
        told = rest.client.post("/v1/prompts:try", json=offline | {"labels": labels}).json()
        assert told["outcome"]["value"]["primary"] == "boats"
        assert told["rendered"] is None
        for wrong in ({}, {"task": "cook"}, {"task": "answer"}, {"task": "extract", "text": "x"}):
            assert rest.client.post("/v1/prompts:try", json=wrong).status_code == 422


def knows(asked: str) -> str:
    """A model that knows the answer only with the prompt that is called mine."""
    value = json.loads(reply("Ninety days"))
    value["statements"][0]["text"] = "Ninety days." if "Mind the tides." in asked else "A year."
    return json.dumps(value)


def test_prompts_on_the_command_line(
    tmp_path: Path,
    models: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def run(*arguments: str, code: int = 0) -> str:
        assert cli.invoke(["prompts", *arguments]) == code
        return capsys.readouterr().out

    monkeypatch.setenv("IBIDEM_HOME", str(make_home(tmp_path / "home", models)))
    assert "answer/strict@1" in run("list")
    assert run("show", "answer/strict@1").startswith('+++\ntask = "answer"')
    assert '-form = "strict"' in run("diff", "answer/strict", "answer/zero-shot")
    assert run("diff", "answer/strict@1", "answer/strict@1") == "They say the same.\n"
    run("show", "answer/nothing", code=1)

    file = tmp_path / "mine.md"
    file.write_text(own("Mind the tides."))
    assert run("add", str(file)).startswith("answer/mine@1 ")
    text = tmp_path / "text.txt"
    text.write_text("Ninety days.")
    asked = ("--question", "How long?", "--file", str(text))
    assert "Mind the tides." in run("try", "answer/mine", *asked)

    examples = tmp_path / "examples.jsonl"
    row = {"question": "How long?", "text": "Ninety days.", "answer": "ninety days"}
    rows = [row | {"question": f"How long is notice {number}?"} for number in range(8)]
    examples.write_text("\n".join(map(json.dumps, rows)))
    with serving() as server:
        server.text = knows
        monkeypatch.setenv("IBIDEM_ENGINE", server.engine)
        sides = ("--prompt", "answer/strict", "--prompt", "answer/mine")
        told = json.loads(run("compare", str(examples), *sides, "--json"))
        found = told["metrics"]["exact_match"]
        assert [side["mean"] for side in found["sides"]] == [0, 1]
        assert (found["difference"]["mean"], told["examples"]) == (1, 8)
        assert found["difference"]["p"] < 0.01
        assert [side["tokens"] for side in told["sides"]] == [120, 120]
        assert "1.000 [1.000, 1.000]" in run("compare", str(examples), *sides)
        assert len(server.asked) == 16, "the replies are known"
        server.status = 401
        examples.write_text(examples.read_text().replace("notice", "the notice"))
        told = json.loads(run("compare", str(examples), *sides, "--json"))
        assert told["sides"][0]["failures"] == {"offline_stepped_in": 8}
        run("compare", str(examples), "--prompt", "answer/strict", code=2)
