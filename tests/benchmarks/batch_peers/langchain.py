"""LangChain's `batch` on its thread pool; run in the peers' environment.

``python -m tests.benchmarks.batch_peers.langchain ITEMS URL LIMIT FOLDER``
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from langchain_openai import ChatOpenAI


def main() -> None:
    items, url, limit = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    model = ChatOpenAI(model="big", base_url=url, api_key="of-the-benchmark")
    prompts = [
        f"[excerpt P1]\nvalves\n\n{one['passage']}\n[excerpt end]\n\n{one['question']}"
        for one in json.loads(items.read_text("utf-8"))
    ]
    print(json.dumps({"event": "ready"}), flush=True)
    found = model.batch(prompts, config={"max_concurrency": limit}, return_exceptions=True)
    answered = sum(not isinstance(one, Exception) for one in found)
    output = Path(sys.argv[4]) / "output.json"
    output.write_text(json.dumps([str(one) for one in found]), "utf-8")
    print(json.dumps({"event": "ended", "results": answered}), flush=True)


if __name__ == "__main__":
    main()
