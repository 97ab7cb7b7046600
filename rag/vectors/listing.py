"""``python -m rag.vectors.listing FOLDER``: put the vectors of a folder into inverted lists.

Training takes a minute or more at a million vectors, so that it runs in a process of its own
that gives way to whoever answers queries. It ends when whoever started it does.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np

from rag.cores import cores

HALVES, LISTS = "halves.npy", "lists.faiss"
_NICENESS = 10
_THREADS = max(1, cores() // 2)


def list_apart(folder: Path) -> None:
    """Make the lists of a folder's vectors in a child process; blocks until they are there.

    Raises:
        RuntimeError: The child failed; the message ends with what it said.
    """
    command = (sys.executable, "-m", __name__, str(folder))
    with subprocess.Popen(  # noqa: S603 - no part of it comes from outside
        command,
        env={**os.environ, "OPENBLAS_NUM_THREADS": str(_THREADS)},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as child:
        try:
            assert child.stderr is not None  # noqa: S101 - the pipe was asked for
            said = child.stderr.read()
        except BaseException:
            child.kill()
            raise
    if child.returncode:
        last = said.decode(errors="replace").strip().rpartition("\n")[2]
        raise RuntimeError(f"making an index failed with {child.returncode}: {last}")


def main() -> None:
    """The child's side."""
    import faiss

    from rag.vectors.rows import listed

    os.nice(_NICENESS)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    faiss.omp_set_num_threads(_THREADS)
    folder = Path(sys.argv[1])
    halves = np.load(folder / HALVES, mmap_mode="r", allow_pickle=False)
    faiss.write_index(listed(halves), str(folder / LISTS))


def _end_with_parent() -> None:
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    main()
