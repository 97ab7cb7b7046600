"""Settings: plain values from the environment and a ``.env`` file. They build nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from rag.errors import ConfigurationError
from rag.redact import masked_url, public_url

PREFIX = "IBIDEM_"
_LANGUAGES = re.compile(r"\w+(\+\w+)*", re.ASCII)
_KEY_NAME = re.compile(r"key_[0-9a-f]{12}", re.ASCII)
_RERANK = re.compile(r"none|reader|cross-encoder:.+")
_AMOUNT = re.compile(r"\d{1,9}(\.\d+)?", re.ASCII)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be configured; field ``x`` is read from ``IBIDEM_X``."""

    home: Path = Path.home() / ".local" / "share" / "ibidem"
    host: str = "127.0.0.1"
    port: int = 8000
    api_keys: tuple[str, ...] = ()
    priority_keys: tuple[str, ...] = ()
    database_url: str | None = None
    index: str = "faiss"
    embedder: str = "onnx"
    embedders: tuple[str, ...] = ()
    embedder_api_key: str | None = None
    engine: str = "offline"
    engines: tuple[str, ...] = ()
    reader: str = "shipped"
    rerank: str = "none"
    openai_api_key: str | None = None
    anthropic_api_key: str | None = None
    compatible_api_key: str | None = None
    limits: str | None = None
    pricing: Path | None = None
    redact: str = "none"
    page_images: int | None = None
    budget_usd: float | None = None
    budget_key_usd: float | None = None
    budget_job_usd: float | None = None
    budget_request_usd: float | None = None
    otlp_endpoint: str | None = None
    ocr_languages: str = "installed"
    max_upload_mb: int = 200
    rollback_days: float = 7.0
    workers: int = 4
    calls: int = 96
    keep_days: float = 365.0

    @property
    def max_upload_bytes(self) -> int:
        """The largest accepted upload in bytes."""
        return self.max_upload_mb * 1_000_000

    def check_address(self) -> None:
        """Refuse to listen for strangers without a key.

        Raises:
            ConfigurationError: the host is not a loopback address and no key is set.
        """
        if self.host not in _LOOPBACK and not self.api_keys:
            raise ConfigurationError(
                f"Refusing to listen on {self.host} without a key: anyone who reaches it could "
                "read every document. Set IBIDEM_API_KEYS, or listen on 127.0.0.1."
            )

    def masked(self) -> Mapping[str, object]:
        """The effective values, secrets hidden."""
        shown: dict[str, object] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name.endswith(("api_key", "api_keys")):
                value = "(set)" if value else "(not set)"
            elif field.name in ("database_url", "otlp_endpoint") and value is not None:
                value = masked_url(str(value))
            elif field.name == "index":
                kind, colon, where = str(value).partition(":")
                value = kind + colon + public_url(where.partition("?")[0])
            elif field.name in ("engines", "embedders"):
                value = "; ".join(map(_public_names, value))
            elif field.name in ("embedder", "engine"):
                value = _public_names(str(value))
            shown[PREFIX + field.name.upper()] = str(value) if isinstance(value, Path) else value
        return shown


def load_settings(
    environ: Mapping[str, str] | None = None, env_file: Path | None = Path(".env")
) -> Settings:
    """Read the settings; the environment wins over the file.

    Raises:
        ConfigurationError: an unknown name with our prefix, or a value of the wrong form.
    """
    environ = os.environ if environ is None else environ
    given = _read_env_file(env_file) if env_file is not None and env_file.is_file() else {}
    given.update({name: value for name, value in environ.items() if name.startswith(PREFIX)})
    known = {PREFIX + field.name.upper(): field.name for field in fields(Settings)}
    values: dict[str, object] = {}
    for name, value in given.items():
        if name not in known:
            raise ConfigurationError(
                f"Unknown setting {name}. Known are: {', '.join(sorted(known))}."
            )
        if value != "":
            values[known[name]] = _parse(known[name], name, value)
    return Settings(**values)  # type: ignore[arg-type]


def _parse(field: str, name: str, value: str) -> object:
    if field in ("port", "max_upload_mb", "workers", "calls", "page_images"):
        if not value.isascii() or not value.isdigit() or int(value) < 1:
            raise ConfigurationError(f"{name} must be a positive whole number, not {value!r}.")
        if field == "port" and int(value) > 65535:
            raise ConfigurationError(f"{name} must be at most 65535, not {value}.")
        return int(value)
    if field.startswith("budget_"):
        return _amount(name, value)
    if field.endswith("_days"):
        return _days(name, value)
    if field in ("engines", "embedders"):
        return tuple(name.strip() for name in value.split(";") if name.strip())
    if field in ("home", "pricing"):
        return Path(value).expanduser().absolute()
    if field in _KEYS:
        return _KEYS[field](name, value)
    _check_words(field, name, value)
    return value


def _check_words(field: str, name: str, value: str) -> None:
    if field == "rerank" and not _RERANK.fullmatch(value):
        raise ConfigurationError(
            f"{name} must be none, reader, or cross-encoder:NAME_OR_FOLDER, not {value!r}."
        )
    if field == "ocr_languages" and not _LANGUAGES.fullmatch(value):
        raise ConfigurationError(
            f"{name} must be languages as Tesseract names them, joined by '+', as in eng+deu; or "
            f"'installed' or 'none'; not {value!r}."
        )


def _amount(name: str, value: str) -> float:
    if not _AMOUNT.fullmatch(value):
        raise ConfigurationError(f"{name} must be US dollars, as in 2 or 0.50, not {value!r}.")
    return float(value)


def _days(name: str, value: str) -> float:
    if not _AMOUNT.fullmatch(value):
        raise ConfigurationError(f"{name} must be a number of days, as in 7 or 0.5, not {value!r}.")
    return float(value)


def _keys(name: str, value: str) -> tuple[str, ...]:
    text = _key_file(name, value) or value
    keys = tuple(key.strip() for key in text.replace("\n", ",").split(",") if key.strip())
    if any(len(key) < 16 for key in keys):
        raise ConfigurationError(f"{name}: a key has at least 16 characters.")
    return keys


def _key_names(name: str, value: str) -> tuple[str, ...]:
    names = tuple(one.strip() for one in value.split(",") if one.strip())
    if not all(map(_KEY_NAME.fullmatch, names)):  # it may be keys themselves: they are not told
        raise ConfigurationError(
            f"{name} takes public names of keys, parted by commas, such as key_0a1b2c3d4e5f; "
            "a key is told its own where its priority is refused, and `ibidem usage` lists them."
        )
    return names


_KEYS = {"api_keys": _keys, "priority_keys": _key_names}


def _public_names(models: str) -> str:
    return ",".join(map(_public, models.split(",")))


def _public(model: str) -> str:
    """A model's name, whose address may hold credentials."""
    name, at, address = model.partition("@")
    return name + at + public_url(address)


def _key_file(name: str, value: str) -> str | None:
    """Content of the file that a value names; ``None`` for a value that is keys.

    What begins like a path never is a key. Errors do not repeat it: it may be one all the same.
    """
    path = Path(value).expanduser()
    meant = value.startswith(("/", "./", "../", "~"))
    if not meant and not (os.sep in value and path.is_file()):
        return None
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{name} begins like the path of a file that cannot be read "
            f"({type(error).__name__}). "
            "Mend the path, or give the keys themselves; a key cannot begin like a path."
        ) from error
    if not text.strip(", \t\r\n"):
        raise ConfigurationError(f"{name} names a file that holds no key.")
    return text


def _read_env_file(path: Path) -> dict[str, str]:
    found = {}
    for line in path.read_text().splitlines():
        name, equals, value = line.strip().partition("=")
        name = name.removeprefix("export ").strip()
        if equals and name.startswith(PREFIX):
            found[name] = value.strip().strip("\"'")
    return found
