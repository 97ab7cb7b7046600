"""The training loop: constant rate after a warm-up, then down to zero; stops and goes on.

The rate stays constant until the last fifth of the steps (Hägele et al., 2024): a run that is
stopped goes on where it was, also towards another number of steps.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rag.models.offline.training.examples import epoch
from rag.models.offline.training.network import Reader, loss, scores
from rag.models.offline.training.questions import Corpus
from rag.models.offline.training.windows import Batch, Windows, batches

_WARM_UP = 0.06
_COOL_DOWN = 0.2
_SAVE_EVERY_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How to train: ``steps`` of ``size`` windows, at a ``rate``, from a ``seed``.

    ``stop`` is a step at which to stop before the last; a later run goes on from there.
    """

    steps: int
    stop: int | None = None
    size: int = 32
    rate: float = 1e-4
    seed: int = 0


def rate(step: int, steps: int) -> float:
    """The share of the highest learning rate at a step."""
    warm = max(1, round(min(_WARM_UP * steps, 500)))
    return min(1.0, (step + 1) / warm, (steps - step) / max(1.0, _COOL_DOWN * steps))


def fit(
    reader: Reader,
    corpus: Corpus,
    negatives: Sequence[Sequence[int]],
    windows: Windows,
    plan: Plan,
    *,
    checkpoint: Path,
    say: Callable[[str], None],
) -> int:
    """Train a reader in place, from its checkpoint on if there is one.

    Returns:
        The number of windows it has seen in all.
    """
    optimizer = torch.optim.AdamW(_groups(reader), lr=plan.rate)
    done = _restored(checkpoint, reader, optimizer)
    reader.train()
    saved = began = time.monotonic()
    first, costs = done, []
    last = plan.steps if plan.stop is None else min(plan.steps, plan.stop)
    for batch in _from(done, corpus, negatives, windows, plan):
        if done >= last:
            break
        for group in optimizer.param_groups:
            group["lr"] = plan.rate * rate(done, plan.steps)
        torch.manual_seed(plan.seed * 1_000_003 + done)
        optimizer.zero_grad(set_to_none=True)
        cost = loss(scores(reader, batch), batch)
        cost.backward()
        torch.nn.utils.clip_grad_norm_(reader.parameters(), 1.0)
        optimizer.step()
        done += 1
        costs.append(cost.item())
        if done % 100 == 0:
            speed = (done - first) * plan.size / (time.monotonic() - began)
            say(f"{done}/{plan.steps} loss {np.mean(costs[-100:]):.3f} {speed:.1f} windows/s")
        if time.monotonic() - saved > _SAVE_EVERY_S or done == last:
            _save(checkpoint, reader, optimizer, done)
            saved = time.monotonic()
    return done * plan.size


def _groups(reader: Reader) -> list[dict[str, Any]]:
    plain = [one for one in reader.parameters() if one.ndim < 2]
    heavy = [one for one in reader.parameters() if one.ndim >= 2]
    return [{"params": heavy, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}]


def _from(
    done: int,
    corpus: Corpus,
    negatives: Sequence[Sequence[int]],
    windows: Windows,
    plan: Plan,
) -> Iterator[Batch]:
    """The batches from a step on; earlier ones are made and passed over, in their order."""
    number, step = 0, 0
    while True:
        examples = epoch(corpus, negatives, plan.seed + number)
        in_epoch = -(-len(examples) // plan.size)
        if step + in_epoch <= done:
            step += in_epoch
        else:
            for batch in batches(examples, windows, size=plan.size, seed=plan.seed + number):
                if step >= done:
                    yield batch
                step += 1
        number += 1


def _save(path: Path, reader: Reader, optimizer: torch.optim.Optimizer, done: int) -> None:
    aside = path.with_suffix(".new")
    state = {"reader": reader.state_dict(), "optimizer": optimizer.state_dict(), "done": done}
    with aside.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def _restored(path: Path, reader: Reader, optimizer: torch.optim.Optimizer) -> int:
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    reader.load_state_dict(state["reader"])
    optimizer.load_state_dict(state["optimizer"])
    done: int = state["done"]
    return done
