"""Prices by model, from a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag.errors import ConfigurationError
from rag.models.chat import Tokens
from rag.models.pricing import load_pricing

_MILLION = Tokens(input=1_000_000)


def test_a_model_is_named_with_its_provider_or_without(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(
        '[[price]]\nmodel = "big"\ninput = 2.0\noutput = 4.0\n'
        '[[price]]\nmodel = "openai:big"\ninput = 3.0\noutput = 4.0\n'
    )
    pricing = load_pricing(file)
    assert pricing.cost("compatible:big@http://127.0.0.1:1/v1", _MILLION) == 2.0
    assert pricing.cost("openai:big-2026", _MILLION) == 3.0
    assert pricing.cost("openai:small", _MILLION) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[price", "is not TOML: Expected"),
        ("[price]\nmodel = 1\n", "each .* table needs model, input and output"),
        ('[[price]]\nmodel = "a"\n', "each .* table needs model, input and output"),
        (None, "No such file"),
    ],
)
def test_what_is_no_list_of_prices_is_told(tmp_path: Path, text: str | None, said: str) -> None:
    file = tmp_path / "prices.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigurationError, match=said):
        load_pricing(file)
