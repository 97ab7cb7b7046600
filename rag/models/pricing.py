"""What tokens cost. A price that is not known is ``None``, never 0."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rag.errors import ConfigurationError
from rag.models.chat import Tokens

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """US dollars for a million tokens, of the models whose id begins with ``model``.

    The id's first part may be left out: ``gpt-5`` is ``openai:gpt-5`` and what begins with it.
    """

    model: str
    input: float
    output: float
    cached: float | None = None
    """For input that the provider had in its cache; as other input when not given."""
    batch: float = 0.5
    """The part of all this that calls in a provider's batches cost."""


class Pricing:
    """Prices by model; of several that match, the one with the longest name counts."""

    def __init__(self, prices: Sequence[Price] = ()) -> None:
        """Nobody asks for money for models in this process, unless a price says so."""
        prices = [*prices, Price(model="local:", input=0.0, output=0.0)]
        self._prices = sorted(prices, key=lambda price: -len(price.model))

    def cost(self, model_id: str, tokens: Tokens, *, batch: bool = False) -> float | None:
        """US dollars for what a call of ``openai:MODEL`` and the like read and wrote."""
        names = (model_id, model_id.partition(":")[2])
        for price in self._prices:
            if any(name.startswith(price.model) for name in names):
                cached = price.input if price.cached is None else price.cached
                spent = (tokens.input - tokens.cached) * price.input + tokens.cached * cached
                whole = (spent + tokens.output * price.output) / _MILLION
                return whole * price.batch if batch else whole
        return None


def load_pricing(path: Path) -> Pricing:
    """Prices from a TOML file of ``[[price]]`` tables with the fields of `Price`.

    Raises:
        ConfigurationError: The file cannot be read, or says something else.
    """
    try:
        rows = tomllib.loads(path.read_text(encoding="utf-8"))["price"]
        return Pricing([Price(**row) for row in rows])
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}.") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is not TOML: {error}.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{path} is no list of prices; each [[price]] table needs model, input and output, "
            "and may have cached and batch."
        ) from error
