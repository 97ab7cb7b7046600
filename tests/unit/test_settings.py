"""Settings: plain values, nothing unknown, no secret shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.settings import Settings, load_settings
from rag.errors import ConfigurationError

KEY = "a-key-of-sixteen-or-more"


def load(env_file: Path | None = None, **environ: str) -> Settings:
    return load_settings({f"IBIDEM_{name}": value for name, value in environ.items()}, env_file)


def test_defaults_work_offline_on_loopback() -> None:
    settings = load()
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert (settings.index, settings.embedder, settings.engine) == ("faiss", "onnx", "offline")
    assert (settings.reader, settings.rerank) == ("shipped", "none")
    settings.check_address()


def test_values_are_read_as_their_types(tmp_path: Path) -> None:
    settings = load(HOME=str(tmp_path), PORT="9000", API_KEYS=f"{KEY}-1, {KEY}-2", WORKERS="2")
    assert settings == Settings(
        home=tmp_path, port=9000, api_keys=(f"{KEY}-1", f"{KEY}-2"), workers=2
    )


@pytest.mark.parametrize("value", ["-1", "ten", "1e3", "nan", "inf", "0,50", ".5"])
def test_a_budget_is_an_amount(value: str) -> None:
    assert load(BUDGET_USD="2", BUDGET_KEY_USD="0.50").budget_key_usd == 0.5
    with pytest.raises(ConfigurationError, match="IBIDEM_BUDGET_USD must be US dollars"):
        load(BUDGET_USD=value)


def test_keys_of_priority_are_named_and_not_given() -> None:
    names = ("key_0a1b2c3d4e5f", "key_000000000000")
    assert load(PRIORITY_KEYS=", ".join(names)).priority_keys == names
    with pytest.raises(ConfigurationError, match="public names") as caught:
        load(PRIORITY_KEYS=KEY)
    assert KEY not in caught.value.message


def test_an_empty_value_means_the_default() -> None:
    assert load(PORT="", API_KEYS="") == Settings()


def test_other_variables_are_none_of_our_business() -> None:
    assert load_settings({"PATH": "/bin", "IBIDEMX": "1"}, None) == Settings()


def test_unknown_settings_are_refused_with_those_that_exist() -> None:
    with pytest.raises(ConfigurationError, match="IBIDEM_PROT") as caught:
        load(PROT="9000")
    assert "IBIDEM_PORT" in caught.value.message


@pytest.mark.parametrize("value", ["0", "-1", "eighty", "70000", "8.5", "\uff18\uff10"])
def test_a_port_is_a_number_that_can_be_one(value: str) -> None:
    with pytest.raises(ConfigurationError, match="IBIDEM_PORT"):
        load(PORT=value)


def test_short_keys_are_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigurationError, match="16 characters") as caught:
        load(API_KEYS="hunter2")
    assert "hunter2" not in caught.value.message


def test_keys_may_lie_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"{KEY}-1\n{KEY}-2\n")
    assert load(API_KEYS=str(file)).api_keys == (f"{KEY}-1", f"{KEY}-2")


@pytest.mark.parametrize(
    "path", ["/run/no-such-folder/keys", "./no/keys-of-mine", "~/no/such/keys"]
)
def test_a_missing_file_of_keys_is_no_key(path: str) -> None:
    with pytest.raises(ConfigurationError, match="IBIDEM_API_KEYS") as caught:
        load(API_KEYS=path)
    assert path not in caught.value.message  # it might be a key that begins like one


def test_a_file_of_keys_holds_some(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("\n")
    with pytest.raises(ConfigurationError, match="no key"):
        load(API_KEYS=str(file))


def test_keys_may_contain_slashes() -> None:
    assert load(API_KEYS="a/key+of/base64+letters==").api_keys == ("a/key+of/base64+letters==",)


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("# ours\nexport IBIDEM_PORT='9001'\nIBIDEM_WORKERS=3\nOTHER=1\n")
    settings = load(file, PORT="9002")
    assert (settings.port, settings.workers) == (9002, 3)


def test_the_file_holds_no_unknown_settings_either(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("IBIDEM_PROT=9001\n")
    with pytest.raises(ConfigurationError, match="IBIDEM_PROT"):
        load(file)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", ""])  # noqa: S104
def test_strangers_are_let_in_with_a_key_only(host: str) -> None:
    with pytest.raises(ConfigurationError, match="IBIDEM_API_KEYS"):
        Settings(host=host).check_address()
    Settings(host=host, api_keys=(KEY,)).check_address()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_loopback_needs_no_key(host: str) -> None:
    Settings(host=host).check_address()
    assert host == load(HOST=host).host


def test_secrets_are_masked() -> None:
    shown = load(
        API_KEYS=KEY,
        EMBEDDER_API_KEY="sk-secret",
        DATABASE_URL="postgresql://ada:secret@db/ibidem",
    ).masked()
    assert shown["IBIDEM_API_KEYS"] == "(set)"
    assert shown["IBIDEM_DATABASE_URL"] == "postgresql://ada:***@db/ibidem"
    assert "secret" not in str(shown)
    assert KEY not in str(shown)
    assert load().masked()["IBIDEM_API_KEYS"] == "(not set)"


def test_secrets_in_addresses_are_not_shown() -> None:
    shown = load(
        DATABASE_URL="postgresql://db/ibidem?user=ada&password=secret",
        EMBEDDER="openai:m@http://ada:secret@host/v1?key=secret",
    ).masked()
    assert shown["IBIDEM_DATABASE_URL"] == "postgresql://db/ibidem?user=ada&password=***"
    assert shown["IBIDEM_EMBEDDER"] == "openai:m@http://host/v1"


def test_languages_of_text_recognition_are_names() -> None:
    assert load().ocr_languages == "installed"
    assert load(OCR_LANGUAGES="eng+chi_sim").ocr_languages == "eng+chi_sim"
    for odd in ("eng,deu", "eng+", "--help", "eng deu"):
        with pytest.raises(ConfigurationError, match="joined by"):
            load(OCR_LANGUAGES=odd)
