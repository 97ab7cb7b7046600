"""``python -m rag.models.offline.training DATA --work FOLDER``: train the reader."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

import torch

from rag.embedding.packaged import packaged_model
from rag.embedding.registry import open_embedder
from rag.models.offline.folder import NETWORK, TOKENIZER, write_card
from rag.models.offline.training.export import graph
from rag.models.offline.training.fit import Plan, fit
from rag.models.offline.training.negatives import mine
from rag.models.offline.training.network import from_folder
from rag.models.offline.training.questions import read
from rag.models.offline.training.windows import Windows


def main() -> None:
    """Train from the files of a data folder, or go on where an earlier run stopped."""
    parser = argparse.ArgumentParser(prog="python -m rag.models.offline.training")
    parser.add_argument("data", type=Path, help="holds squad11-train and squad20-extra")
    parser.add_argument("--work", type=Path, required=True, help="for checkpoints and negatives")
    parser.add_argument("--steps", type=int, default=15_000)
    parser.add_argument("--stop", type=int, help="step to stop before, to go on another time")
    parser.add_argument("--length", type=int, default=256, help="tokens of a window")
    parser.add_argument("--stride", type=int, default=96, help="tokens that windows share")
    parser.add_argument("--threads", type=int, help="of the processor; all when not given")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    options.work.mkdir(parents=True, exist_ok=True)
    corpus = read(options.data)
    _say(f"{len(corpus.questions)} questions on {len(corpus.paragraphs)} paragraphs")
    embedder = open_embedder("onnx", cache=options.work / "models")
    negatives = mine(corpus, embedder, options.work / "negatives.json")
    _say(f"{sum(map(len, negatives))} hard negatives")
    folder = packaged_model()
    torch.manual_seed(0)
    reader = from_folder(folder)
    seen = fit(
        reader,
        corpus,
        negatives,
        Windows(
            (folder / "tokenizer.json").read_text(encoding="utf-8"),
            length=options.length,
            stride=options.stride,
        ),
        Plan(steps=options.steps, stop=options.stop),
        checkpoint=options.work / "checkpoint.pt",
        say=_say,
    )
    _say(f"{seen} windows seen")
    reader.eval()
    for name, int8 in (("fp32", False), ("int8", True)):
        target = options.work / name
        target.mkdir(exist_ok=True)
        (target / NETWORK).write_bytes(graph(reader, folder, int8=int8))
        shutil.copy(folder / TOKENIZER, target)
        write_card(target, {}, length=options.length, stride=options.stride)
        _say(f"written: {target}")


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    main()
