"""The providers' SDKs, which only those need who call them."""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING, Any

from rag.errors import ConfigurationError, MissingExtra
from rag.models.chat.transport import bounded_client

if TYPE_CHECKING:
    import httpx2


def open_client(
    package: str,
    kind: str,
    engine: str,
    *,
    api_key: str | None,
    base_url: str,
    transport: httpx2.BaseTransport | None,
) -> tuple[Any, Any]:
    """A provider's package and its client of a kind; nothing is connected to yet.

    Raises:
        MissingExtra: The package is not installed.
        ConfigurationError: There is no key.
    """
    sdk = _import_sdk(package, engine)
    if not api_key:
        setting = f"IBIDEM_{package.upper()}_API_KEY"
        raise ConfigurationError(f"The engine {engine} needs an API key; set {setting}.")
    client = getattr(sdk, kind)(
        api_key=api_key,
        base_url=base_url,
        max_retries=0,
        http_client=bounded_client(transport),
    )
    return sdk, client


class HostedChat:
    """What backends of a provider's own service share: its client and the model's name."""

    provider: str
    revision = ""  # what a provider changes behind a model's name is unseen
    _kind: str
    _base_url: str

    def __init__(
        self,
        model: str,
        *,
        api_key: str | None,
        base_url: str | None = None,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        """Connect to nothing yet; ``transport`` stands in for the network.

        Raises:
            MissingExtra: The provider's package is not installed.
            ConfigurationError: There is no key.
        """
        self._model = model
        self._sdk, self._client = open_client(
            self.provider,
            self._kind,
            self.id,
            api_key=api_key,
            base_url=base_url or self._base_url,
            transport=transport,
        )

    @property
    def sdk(self) -> Any:
        """The provider's package."""
        return self._sdk

    @property
    def client(self) -> Any:
        """The package's client."""
        return self._client

    @property
    def id(self) -> str:
        """Name under which calls are reported."""
        return f"{self.provider}:{self._model}"


def _import_sdk(package: str, engine: str) -> Any:
    """A provider's package, kept from logging what it sends."""
    try:
        sdk = importlib.import_module(package)
    except ImportError as error:
        raise MissingExtra(
            f"The engine {engine} needs a package that is not installed: "
            f"pip install 'ibidem[{package}]'."
        ) from error
    # At the level DEBUG it logs requests whole: prompts, and with them documents.
    logging.getLogger(package).setLevel(logging.WARNING)
    # At INFO it logs addresses whole: a server's may hold a password.
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    return sdk
