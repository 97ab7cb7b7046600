"""DocETL's map over the questions, as its own runner carries it out; run in the peers' environment.

``python -m tests.benchmarks.batch_peers.docetl ITEMS URL LIMIT FOLDER``
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path

_PROMPT = "[excerpt P1]\nvalves\n\n{{ input.passage }}\n[excerpt end]\n\n{{ input.question }}"


def main() -> None:
    items, url, limit, folder = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), Path(sys.argv[4])
    os.environ |= {
        "OPENAI_API_BASE": url,
        "OPENAI_API_KEY": "of-the-benchmark",
        # What else would be fetched from the network.
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "TIKTOKEN_CACHE_DIR": str(_tokenizers()),
        "DOCETL_HOME_DIR": str(folder),  # where it keeps replies, on disk
    }
    from docetl.runner import DSLRunner  # reads the environment when it is imported

    output = folder / "output.json"
    pipeline = {
        "default_model": "openai/big",
        "datasets": {"questions": {"type": "file", "path": str(items)}},
        "operations": [
            {
                "name": "answer",
                "type": "map",
                "prompt": _PROMPT,
                "output": {
                    "schema": {"reasoning": "str", "confidence": "float"},
                    "mode": "structured_output",
                },
            }
        ],
        "pipeline": {
            "steps": [{"name": "ask", "input": "questions", "operations": ["answer"]}],
            "output": {
                "type": "file",
                "path": str(output),
                "intermediate_dir": str(folder / "intermediate"),
            },
        },
    }
    runner = DSLRunner(pipeline, max_threads=limit)
    print(json.dumps({"event": "ready"}), flush=True)
    runner.load_run_save()
    answered = sum("confidence" in one for one in json.loads(output.read_text("utf-8")))
    print(json.dumps({"event": "ended", "results": answered}), flush=True)


def _tokenizers() -> Path:
    """Those that come with a package of DocETL's."""
    found = importlib.util.find_spec("litellm")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "litellm_core_utils" / "tokenizers"


if __name__ == "__main__":
    main()
