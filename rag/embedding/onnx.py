"""Embeddings by onnxruntime, on the CPU or a GPU.

Several texts are encoded at once by several threads, each with a single-threaded run: no
slower than several threads per run, and queries are not held up by a thread pool.

The sentences of a question never wait behind the chunks of documents, nor a small document
behind large ones: what is short as a whole has threads of its own, and shares the cores instead
of queueing for them. Where questions are asked, documents also pause between two runs.

int8 encodes one text a run. Its activations share one scale per run, and with others in the
batch the vector of a text moves (cosine down to 0.99 on encyclopedia paragraphs), while the
cache of vectors relies on a text having one vector. It costs nothing: without padding, one
text a run is as fast as a batch.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from rag.computing import waiting
from rag.cores import cores
from rag.embedding.convert import ConvertedModel, Precision
from rag.embedding.tokens import Tokens
from rag.errors import ConfigurationError, EmbeddingFailed, MissingExtra
from rag.priority import give_way, gives_way

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rag.types import FloatMatrix, FloatVector, Ids

# Tokens in a padded batch of fp32: fewer waste the caches' content, more overflow them.
_BATCH_TOKENS = 512
_GPU_BATCH_TOKENS = 32_768
_CUDA = "CUDAExecutionProvider"
# What counts as short as a whole: the sentences of a question, not the chunks of a document.
_SHORT_TEXTS = 32
_SHORT_TOKENS = 2_048
# A question is answered about so long after it was encoded; documents wait for some in a row.
_QUESTION_S = 0.02
_LONGEST_PAUSE_S = 0.1


class OnnxEmbedder:
    """Encodes with a converted model. Thread-safe; loads it at the first text."""

    def __init__(
        self, model: ConvertedModel, *, threads: int | None = None, cuda: bool = False
    ) -> None:
        """Take a converted model; ``threads`` is how many passages are encoded at once.

        With ``cuda`` it runs on the first GPU; vectors are the same but for rounding.
        """
        self._model = model
        self._cuda = cuda
        threads = threads or cores()
        self._long = ThreadPoolExecutor(threads, "embed-long", initializer=give_way)
        self._short = ThreadPoolExecutor(threads, "embed-short", initializer=give_way)
        self._questions = ThreadPoolExecutor(threads, "embed-questions")
        self._asked = -_QUESTION_S
        self._lock = threading.Lock()
        self._session: Any = None
        if cuda:
            self._load()  # now, so that who set it up hears at once that there is no GPU

    @property
    def id(self) -> str:
        """Weights, settings, converter and precision."""
        return self._model.id

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._model.dimension

    @property
    def window(self) -> int:
        """Most tokens of a passage's own text; what is longer is cut there."""
        return self._model.window

    @property
    def tokenizer(self) -> str:
        """The text of the ``tokenizer.json`` by which ``token_offsets`` goes."""
        return self._tokens.definition

    def token_offsets(self, text: str) -> Ids:
        """Code point spans of the text's tokens, shape (tokens, 2), without special tokens."""
        return self._tokens.offsets(text)

    def embed_passages(self, texts: Sequence[str]) -> FloatMatrix:
        """L2-normalized vectors, shape (len(texts), dimension), in the order given.

        Raises:
            EmbeddingFailed: The runtime failed, or the model gave no finite vector.
        """
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        prompt = self._model.prompts.passage
        # Tokenizing is quick: for a few texts it is not worth a place in the queue.
        few = len(texts) <= _SHORT_TEXTS
        tokenized = (map if few else self._long.map)(
            lambda text: self._encode(prompt + text), texts
        )
        encoded = list(tokenized)
        lengths = [len(ids) for ids in encoded]
        pool = self._long
        if few and sum(lengths) <= _SHORT_TOKENS:
            pool = self._short if gives_way() else self._questions

        def embed(batch: list[int]) -> None:
            if pool is not self._questions:
                self._let_questions_pass()
            vectors[batch] = self._run([encoded[index] for index in batch])

        with waiting():
            for _ in pool.map(embed, self._batches(lengths)):
                pass
        return vectors

    def embed_query(self, text: str) -> FloatVector:
        """One L2-normalized vector, shape (dimension,). Longer texts are cut at the window.

        Raises:
            EmbeddingFailed: The runtime failed, or the model gave no finite vector.
        """
        self._asked = time.monotonic()
        vector: FloatVector = self._run([self._encode(self._model.prompts.query + text)])[0]
        return vector

    @cached_property
    def _tokens(self) -> Tokens:
        path = self._model.tokenizer
        try:
            return Tokens(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigurationError(f"Cannot read the tokenizer {path}: {error}") from error

    def _encode(self, text: str) -> NDArray[np.int32]:
        return self._tokens.ids(text, self._model.max_tokens)

    def _let_questions_pass(self) -> None:
        """Wait while questions are being answered, but not for ever."""
        latest = time.monotonic() + _LONGEST_PAUSE_S
        while (now := time.monotonic()) < (until := min(self._asked + _QUESTION_S, latest)):
            time.sleep(until - now)

    def _batches(self, lengths: Sequence[int]) -> list[list[int]]:
        """Indices by falling length, so that no thread ends with the longest text alone."""
        budget = _GPU_BATCH_TOKENS if self._cuda else _BATCH_TOKENS
        if self._model.precision is Precision.INT8:
            budget = 1
        batches: list[list[int]] = []
        for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
            if batches and lengths[batches[-1][0]] * (len(batches[-1]) + 1) <= budget:
                batches[-1].append(index)
            else:
                batches.append([index])
        return batches

    def _run(self, encoded: Sequence[NDArray[np.int32]]) -> FloatMatrix:
        shape = (len(encoded), max(map(len, encoded)))
        ids = np.zeros(shape, dtype=np.int32)
        mask = np.zeros(shape, dtype=np.int32)
        for row, own in enumerate(encoded):
            ids[row, : len(own)] = own
            mask[row, : len(own)] = 1
        try:
            vectors: FloatMatrix = self._load().run(None, {"ids": ids, "mask": mask})[0]
        except (RuntimeError, ValueError) as error:
            raise EmbeddingFailed(f"The embedding model {self.id} failed: {error}") from error
        if not np.isfinite(vectors).all():
            raise EmbeddingFailed(
                f"The embedding model {self.id} gave vectors that are not finite; its weights "
                "may be damaged."
            )
        return vectors

    def _load(self) -> Any:
        with self._lock:
            if self._session is None:
                self._session = _session(self._model, cuda=self._cuda)
            return self._session


def check_cuda() -> None:
    """See whether onnxruntime is here in its build for GPUs.

    Raises:
        MissingExtra: It is not.
    """
    import onnxruntime

    if _CUDA not in onnxruntime.get_available_providers():
        raise MissingExtra(
            "IBIDEM_EMBEDDER=onnx-cuda needs the build of onnxruntime for GPUs: pip uninstall "
            "onnxruntime, then pip install onnxruntime-gpu. Or set IBIDEM_EMBEDDER=onnx-fp32."
        )


def _session(model: ConvertedModel, *, cuda: bool) -> Any:
    # Without this it writes an id of the device into the user's folder, to report its use.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # One memory plan is kept per input shape, and shapes are as many as text lengths.
    options.enable_mem_pattern = False
    # Shorter numbers than float32 would move the vector of a text.
    providers = [(_CUDA, {"use_tf32": "0"})] if cuda else []
    try:
        session = onnxruntime.InferenceSession(
            model.graph, options, providers=[*providers, "CPUExecutionProvider"]
        )
    except Exception as error:
        raise ConfigurationError(
            f"Cannot load {model.graph}: {error}. Delete its folder; it is made again."
        ) from error
    if cuda and _CUDA not in session.get_providers():  # it would go on without, many times slower
        raise ConfigurationError(
            "IBIDEM_EMBEDDER=onnx-cuda, and onnxruntime cannot use a GPU here: see whether "
            "nvidia-smi lists one, and whether CUDA 12 and cuDNN 9 are installed. Or set "
            "IBIDEM_EMBEDDER=onnx-fp32."
        )
    return session
