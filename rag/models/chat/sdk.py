"""The providers' SDKs, which only those need who call them."""

from __future__ import annotations

import importlib
import logging
from typing import Any

from rag.errors import MissingExtra


def import_sdk(package: str, engine: str) -> Any:
    """A provider's package, kept from logging what it sends.

    Raises:
        MissingExtra: It is not installed.
    """
    try:
        sdk = importlib.import_module(package)
    except ImportError as error:
        raise MissingExtra(
            f"The engine {engine} needs a package that is not installed: "
            f"pip install 'ibidem[{package}]'."
        ) from error
    # At the level DEBUG it logs requests whole: prompts, and with them documents.
    logging.getLogger(package).setLevel(logging.WARNING)
    return sdk
