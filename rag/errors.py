"""Every error that Ibidem raises on purpose, in one tree.

IbidemError
+-- RequestError              the caller can mend it
|   +-- InvalidRequest
|   |   +-- InvalidFilter
|   +-- NotFound
|   +-- Conflict
|   |   +-- Superseded
|   +-- PayloadTooLarge
|   +-- UnsupportedType
+-- DocumentError             this document cannot be read; others are unharmed
|   +-- EmptyDocument
|   +-- EncryptedDocument
|   +-- CorruptDocument
|   +-- ParserLimit
|   +-- OcrUnavailable
|   +-- ChunkingFailed
|   +-- OriginalMissing
+-- StorageError
|   +-- StorageFull
|   +-- StoreDamaged
|   +-- HomeBusy
+-- Overloaded
|   +-- ShuttingDown
+-- EmbeddingFailed
+-- RerankFailed
+-- ModelError                a language model did not do what it was asked to
|   +-- ModelUnavailable      it may, a little later
|   |   +-- RateLimited
|   |   +-- ModelTimeout
|   |   +-- MalformedReply
|   +-- ModelAccessDenied
|   +-- ModelRejected
|   +-- ModelRefused
|   +-- OutputTruncated
|   +-- InvalidOutput
|   +-- BudgetExceeded
+-- ConfigurationError
    +-- MissingExtra

An error is a name and a sentence: without a message, the first line of the docstring is
the message. ``code`` is the class name in snake_case and part of the REST contract; which
HTTP status it maps to is known in ``api/errors.py`` alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rag.types import Usage


class IbidemError(Exception):
    """Something went wrong inside Ibidem."""

    code: str = "ibidem_error"

    def __init_subclass__(cls) -> None:
        """Derive the stable error code from the class name."""
        cls.code = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    def __init__(self, message: str | None = None, *, param: str | None = None) -> None:
        """Use the docstring's first line when no message is given; ``param`` names the input."""
        self.message = message or (type(self).__doc__ or "").strip().splitlines()[0]
        self.param = param
        super().__init__(self.message)

    def as_dict(self) -> Mapping[str, Any]:
        """Code and message, as stored with a failed document or job."""
        return {"code": self.code, "message": self.message}


class RequestError(IbidemError):
    """The request cannot be served as it is."""


class InvalidRequest(RequestError):
    """The request is malformed."""


class InvalidFilter(InvalidRequest):
    """The metadata filter is malformed."""


class NotFound(RequestError):
    """No such object."""


class Conflict(RequestError):
    """The request contradicts the present state."""


class Superseded(Conflict):
    """The collection got another index while the document was read; it is read again."""


class PayloadTooLarge(RequestError):
    """The upload is larger than this server accepts."""


class UnsupportedType(RequestError):
    """Files of this type cannot be read."""


class DocumentError(IbidemError):
    """The document cannot be read."""


class EmptyDocument(DocumentError):
    """The document contains no text."""


class EncryptedDocument(DocumentError):
    """The document is encrypted and needs a password."""


class CorruptDocument(DocumentError):
    """The file is damaged or not what its name says."""


class ParserLimit(DocumentError):
    """Reading the document took more memory or time than allowed."""


class OcrUnavailable(DocumentError):
    """The document is an image of text, and text recognition (OCR) cannot be used."""


class ChunkingFailed(DocumentError):
    """The collection's chunking cannot cut the text of this document."""


class OriginalMissing(DocumentError):
    """The stored file is gone; upload it again."""


class StorageError(IbidemError):
    """The store cannot be used."""


class StorageFull(StorageError):
    """The disk is full; nothing was stored."""


class StoreDamaged(StorageError):
    """The store contradicts itself; run `ibidem audit --repair`."""


class HomeBusy(StorageError):
    """Another process owns this IBIDEM_HOME."""


class Overloaded(IbidemError):
    """Too many requests are waiting; try again shortly."""


class ShuttingDown(Overloaded):
    """The service is being stopped; send the request again when it has started."""


class EmbeddingFailed(IbidemError):
    """The embedding model could not encode the text."""


class RerankFailed(IbidemError):
    """The reranking model could not score the passages."""


class ModelError(IbidemError):
    """The language model did not do what it was asked to."""

    usage: Usage | None = None
    """What was spent before it failed, when that is known."""
    may_cost = False
    """Whether the model may have been at work, so that its call may have to be paid."""


class ModelUnavailable(ModelError):
    """The language model cannot be reached, or is out of order; try again later."""


class RateLimited(ModelUnavailable):
    """The provider takes no more calls for now."""

    def __init__(
        self,
        message: str | None = None,
        *,
        param: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        """``retry_after``: seconds that the provider asks to wait, when it does."""
        self.retry_after = retry_after
        super().__init__(message, param=param)


class ModelTimeout(ModelUnavailable):
    """The language model did not answer in time."""

    may_cost = True


class MalformedReply(ModelUnavailable):
    """What came back is no reply of the provider's protocol.

    Its ``usage`` is what the provider says that it took, where that can be read.
    """

    may_cost = True


class ModelAccessDenied(ModelError):
    """The provider refused the key, or its account may not do this."""


class ModelRejected(ModelError):
    """The provider does not take this call: an unknown model, or more than it can read."""


class ModelRefused(ModelError):
    """The language model refused, or its provider's filter did."""


class OutputTruncated(ModelError):
    """The language model's output was cut off at its longest."""


class InvalidOutput(ModelError):
    """The language model's output is not what was asked for, also after it was told why."""


class BudgetExceeded(ModelError):
    """The budget for language models is spent."""


class ConfigurationError(IbidemError):
    """A setting is wrong."""


class MissingExtra(ConfigurationError):
    """A package that this choice needs is not installed."""
