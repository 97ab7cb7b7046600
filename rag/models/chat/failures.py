"""What the SDKs raise, in our words. Both are generated alike, so one table serves both."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import httpx2

from rag.errors import (
    MalformedReply,
    ModelAccessDenied,
    ModelError,
    ModelRefused,
    ModelRejected,
    ModelTimeout,
    ModelUnavailable,
    OutputTruncated,
    RateLimited,
)
from rag.models.chat.transport import EncodedReply, ReplyTooLarge
from rag.types import Usage

_LONGEST_REASON = 300
_PASSING = frozenset({408, 409, 425})
_DENIED = frozenset({401, 402, 403})
# A limit that no waiting lifts: the account has no money, or may not spend more.
_SPENT = ("insufficient_quota", "spend_limit", "spendlimit", "billing", "credit balance")

UNREADABLE = (AttributeError, IndexError, KeyError, TypeError, RuntimeError)
"""What is raised by reading something, or by an SDK's, that is no reply of its protocol."""


@contextmanager
def in_our_words(sdk: Any, model: str) -> Iterator[None]:
    """Turn what an SDK raises into a `ModelError` that names the model and no secret."""
    base = sdk.OpenAIError if hasattr(sdk, "OpenAIError") else sdk.AnthropicError
    try:
        yield
    except base as error:
        raise translate(error, sdk, model) from error
    except httpx2.RequestError as error:  # while a reply is read piece by piece
        raise _of_network(error, model) from error
    except ValueError as error:  # a body that says that it is JSON, and is not
        raise MalformedReply(f"{model} answered with something that is not JSON.") from error
    except RecursionError as error:  # JSON that is nested deeper than anything is
        raise malformed(model, None) from error


def texts_of(
    sdk: Any,
    model: str,
    begin: Callable[[], AbstractContextManager[Any]],
    read: Callable[[Any], Iterator[str]],
) -> Iterator[str]:
    """What ``read`` finds in a stream that ``begin`` opens, and all that goes wrong in our words.

    What goes wrong with those who are handed the texts passes it by.
    """
    with in_our_words(sdk, model), begin() as stream:
        try:
            for text in read(stream):
                if not isinstance(text, str):
                    raise TypeError(text)
                yield text
        except UNREADABLE as error:
            raise malformed(model, None) from error


def malformed(model: str, said: Any) -> MalformedReply:
    """The error for a reply that cannot be read, with what it took if at least that can."""
    error = MalformedReply(f"{model} answered with something unexpected.")
    error.usage = usage_of(said)
    return error


def usage_of(said: Any) -> Usage | None:
    """What a reply says that it took, though it may be of no use; ``None`` if it does not."""
    usage = getattr(said, "usage", None)
    for read, written in (
        ("input_tokens", "output_tokens"),
        ("prompt_tokens", "completion_tokens"),
    ):
        counts = (getattr(usage, read, None), getattr(usage, written, None))
        if isinstance(counts[0], int) and isinstance(counts[1], int):
            return Usage(input_tokens=counts[0], output_tokens=counts[1])
    return None


def translate(error: Exception, sdk: Any, model: str) -> ModelError:
    """The error of ours for one of an SDK's."""
    if isinstance(error, sdk.APIStatusError):
        return _from_status(error, model)
    if isinstance(error, sdk.APITimeoutError):
        return _of_network(error.__cause__ or httpx2.ReadTimeout("late"), model)
    if isinstance(error, sdk.APIResponseValidationError):
        return MalformedReply(f"{model} answered with something unexpected.")
    if isinstance(error, sdk.APIConnectionError):
        return _of_network(error.__cause__, model)
    return _from_kind(error, model)


def _of_network(error: BaseException | None, model: str) -> ModelError:
    """Errors of the HTTP client, which the SDKs hide behind their own or let through.

    After them nobody knows what the model did, unless it was never reached.
    """
    if isinstance(error, ReplyTooLarge):
        said: ModelError = ModelRejected(f"{model} sent a reply larger than any model's output.")
    elif isinstance(error, EncodedReply):
        said = ModelRejected(f"{model} sent a packed reply, which it was asked not to do.")
    elif isinstance(error, httpx2.TimeoutException):
        said = ModelTimeout(f"{model} did not answer in time.")
    else:
        said = ModelUnavailable(f"{model} cannot be reached.")
    said.may_cost = not isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout)
    return said


def _from_kind(error: Exception, model: str) -> ModelError:
    """Errors that no HTTP status stands behind."""
    kind = type(error).__name__
    if kind == "APIError":
        return reported(model, _code(error), str(getattr(error, "message", "")))
    if kind == "LengthFinishReasonError":
        return OutputTruncated(f"{model} was cut off.")
    if kind == "ContentFilterFinishReasonError":
        return ModelRefused(f"The filter of {model} held its reply back.")
    if any(word in kind for word in ("OAuth", "Credentials", "Identity", "SubjectToken")):
        return ModelAccessDenied(f"{model}: no valid credentials.")
    if kind == "RetryableError":
        return ModelUnavailable(f"{model} cannot be reached.")
    return ModelError(f"{model} failed: {kind}.")


def _from_status(error: Any, model: str) -> ModelError:
    status = error.status_code
    if status < 400:
        return reported(model, _code(error), reason(error))
    said = reason(error)
    if status in _DENIED:
        # Providers repeat part of the key in this message.
        return ModelAccessDenied(f"{model}: the provider refused the key ({status}).")
    if status == 429:
        if any(word in f"{_code(error)} {type(error).__name__} {said}".lower() for word in _SPENT):
            return ModelAccessDenied(f"{model}: the account's limit is spent.")
        message = f"{model} takes no more calls for now."
        return RateLimited(message, retry_after=_retry_after(error))
    if status >= 500 or status in _PASSING:
        return ModelUnavailable(f"{model} is out of order ({status}).")
    return ModelRejected(f"{model} does not take this call ({status}): {said}")


def reported(model: str, code: str | None, why: str) -> ModelError:
    """The error that a provider reports after a reply has begun well, by its code."""
    kind = str(code or "").lower()
    if any(word in f"{kind} {why}".lower() for word in _SPENT):
        said: ModelError = ModelAccessDenied(f"{model}: the account's limit is spent.")
    elif "rate_limit" in kind:
        said = RateLimited(f"{model} takes no more calls for now.")
    elif "invalid" in kind:
        shown = why[:_LONGEST_REASON] or "no reason given"
        said = ModelRejected(f"{model} does not take this call: {shown}")
    else:
        said = ModelUnavailable(f"{model} broke off its reply.")
    said.may_cost = True
    return said


def reason(error: Any) -> str:
    """Why a provider does not take a call, in its own words."""
    body = error.body if isinstance(error.body, dict) else {}
    inner = body.get("error", body)
    said = inner.get("message") if isinstance(inner, dict) else None
    return str(said or "no reason given")[:_LONGEST_REASON]


def _code(error: Any) -> str:
    return str(getattr(error, "code", "") or getattr(error, "type", "") or "")


def _retry_after(error: Any) -> float | None:
    """Seconds that the provider asks to wait: a number, or until a date."""
    value = error.response.headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
