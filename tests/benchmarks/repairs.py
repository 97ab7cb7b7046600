"""What becomes of valid replies that were spoilt as models spoil them.

    python -m tests.benchmarks.repairs                    # 2,000 random schemas
    python -m tests.benchmarks.repairs --schemas 200 --json figures.json
    python -m tests.benchmarks.repairs --provider openai  # through its SDK, as it writes replies

Each fault of ``tests/faults.py`` is put into one valid reply to each schema that allows it; half of
the schemas are loose (nothing required, further properties allowed), where a part of the reply
or something else may pass for it. Columns:

- at once: the value that was meant, without another call;
- asked again: the value that was meant, after the model was told what is wrong (by a model that
  then replies as it should);
- failed: an error, from a model that repeats its fault each time;
- wrong: another value than the one that was meant, from either. It fails when there is one, or
  when our meter and the model differ in what was asked and used.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from tests.faults import measure
from tests.providers import PROVIDERS, Wire
from tests.scripted import Model


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.repairs")
    parser.add_argument("--schemas", type=int, default=2_000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--provider", choices=[one.name for one in PROVIDERS])
    options = parser.parse_args()
    speaker = {one.name: one for one in PROVIDERS}.get(options.provider)
    rows = measure(options.schemas, speaker=Wire(speaker).speaker if speaker else Model)
    print("| fault | replies | at once | asked again | failed | wrong |\n|---|---|---|---|---|---|")
    for name, row in rows.items():
        counts = (row.cases, row.at_once, row.asked_again, row.failed, len(row.wrong))
        print(f"| {name} | {' | '.join(f'{one:,}' for one in counts)} |")
    if options.json:
        figures = {name: asdict(row) for name, row in rows.items()}
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 1 if any(row.wrong or row.miscounted for row in rows.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
