"""Two prompts or two engines on the same labelled examples, and how sure their difference is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from api.client import Client, Json
from api.commands.common import note, plain, show_table
from rag.errors import ModelError
from rag.evaluate import Estimate, compare, estimate
from rag.labelled import Example, scores

_OFFLINE = "offline"
_REPLACED = "offline_stepped_in"


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What is compared; ``None`` stands for an engine's own prompts, or the default engine."""

    prompt: str | None
    engine: str | None

    @property
    def name(self) -> str:
        """Both, as far as they are given."""
        return " on ".join(one for one in (self.prompt, self.engine) if one)


@dataclass(slots=True)
class _Tally:
    by_metric: dict[str, list[float]] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)
    tokens: int = 0
    cost_usd: float | None = 0.0


def compared(
    client: Client, examples: Sequence[Example], sides: Sequence[Side], shared: Mapping[str, Any]
) -> Json:
    """Each example done by both sides; one that fails counts 0 in every metric.

    Raises:
        InvalidRequest: An example lacks what the task needs, or a side cannot do it.
    """
    labels = sorted({str(one.expected) for one in examples if one.task == "classify"})
    tallies = [_Tally() for _ in sides]
    for number, example in enumerate(examples, start=1):
        for side, tally in zip(sides, tallies, strict=True):
            _count(tally, example, client, _body(example, side, shared, labels))
        if number % 20 == 0:
            note(f"{number} of {len(examples)}")
    one, other = (tally.by_metric for tally in tallies)
    return {
        "object": "prompt.comparison",
        "examples": len(examples),
        "sides": [
            {
                "name": side.name,
                "failures": tally.failures,
                "tokens": tally.tokens,
                "cost_usd": tally.cost_usd,
            }
            for side, tally in zip(sides, tallies, strict=True)
        ],
        "metrics": {
            name: {
                "sides": [asdict(estimate(one[name])), asdict(estimate(other[name]))],
                "difference": asdict(compare(other[name], one[name])),
            }
            for name in one
        },
    }


def _body(example: Example, side: Side, shared: Mapping[str, Any], labels: list[str]) -> Json:
    given = example.given
    wanted = given.get("labels", labels) if example.task == "classify" else []
    body = {
        "prompt": side.prompt,
        "task": None if side.prompt else example.task,
        "engine": side.engine,
        "run": True,
        "question": given.get("question"),
        "text": given.get("text"),
        "labels": [{"name": name} for name in wanted],
        **shared,
    }
    return body | ({"output_schema": given["schema"]} if "schema" in given else {})


def _count(tally: _Tally, example: Example, client: Client, body: Json) -> None:
    try:
        outcome = client.post("/v1/prompts:try", body, patient=True)["outcome"]
    except ModelError as error:
        tally.failures[error.code] = tally.failures.get(error.code, 0) + 1
        value = None
    else:
        value, usage = outcome["value"], outcome["usage"]
        if outcome["engine"] == _OFFLINE != body["engine"]:
            # It steps in where a model fails; that says nothing about the prompt or the model.
            tally.failures[_REPLACED] = tally.failures.get(_REPLACED, 0) + 1
            value = None
        tally.tokens += usage["input_tokens"] + usage["output_tokens"]
        known = tally.cost_usd is not None and usage["cost_usd"] is not None
        tally.cost_usd = (tally.cost_usd or 0) + (usage["cost_usd"] or 0) if known else None
    for name, score in scores(example, value).items():
        tally.by_metric.setdefault(name, []).append(score)


def show_compared(told: Json) -> None:
    """Print a row for each metric, and below what failed and what it cost."""
    rows = [
        (name, *(_interval(one) for one in found["sides"]), _difference(found["difference"]))
        for name, found in told["metrics"].items()
    ]
    names = [plain(side["name"]) for side in told["sides"]]
    show_table(("METRIC", *names, "DIFFERENCE (SECOND - FIRST)"), rows)
    for side in told["sides"]:
        failed = ", ".join(f"{count} {code}" for code, count in side["failures"].items()) or "none"
        cost = "unknown" if side["cost_usd"] is None else f"${side['cost_usd']:.4f}"
        note(f"{plain(side['name'])}: failures: {failed}; {side['tokens']} tokens; cost {cost}")
    note(f"{told['examples']} examples")


def _interval(one: Json) -> str:
    found = Estimate(**one)
    return f"{found.mean:.3f} [{found.low:.3f}, {found.high:.3f}]"


def _difference(one: Json) -> str:
    return f"{one['mean']:+.3f} [{one['low']:+.3f}, {one['high']:+.3f}], p {one['p']:.4f}"
