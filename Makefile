# make sandbox   the console on a laptop-sized cluster with a real small model
# make test      the tests
# make test-cluster  the cluster tests against the real cluster that KUBECONFIG_REAL names, in a namespace of their own
# make check     format, lint, types, import rules, tests: what must be green before a change lands
# Needs Python 3.11 or newer and make; everything else is installed into .venv from hashed requirements.

PYTHON ?= python3
BIN := .venv/bin
PYTEST_ARGS ?= -n 2 --dist loadfile

.PHONY: sandbox test test-cluster check format lint types imports snapshots bench requirements clean help

help:
	@sed -n 's/^# //p' Makefile

sandbox: .venv/sandbox-installed
	@$(BIN)/genai-tui sandbox

test: .venv/dev-installed
	$(BIN)/pytest $(PYTEST_ARGS)

test-cluster: .venv/dev-installed
	@test -n "$$KUBECONFIG_REAL" || { echo "set KUBECONFIG_REAL to the kubeconfig of a cluster to try"; exit 2; }
	$(BIN)/pytest -n 0 -m cluster tests/cluster

check: format lint types imports test

format: .venv/dev-installed
	$(BIN)/ruff format --check .

lint: .venv/dev-installed
	$(BIN)/ruff check .

types: .venv/dev-installed
	$(BIN)/mypy
	$(BIN)/pyright

imports: .venv/dev-installed
	$(BIN)/lint-imports

# Draw every snapshot anew; then look at each changed picture before committing it.
snapshots: .venv/dev-installed
	$(BIN)/pytest -n 0 --snapshot-update tests/screens

bench: .venv/dev-installed
	@for b in benchmarks/*.py; do echo "== $$b"; $(BIN)/python $$b || exit 1; done

# Compile the hashed requirement files from pyproject.toml (needs `uv` on PATH).
COMPILE = uv pip compile -q pyproject.toml requirements/build.in --universal --generate-hashes --python-version 3.11 \
  --no-emit-index-url --no-header --no-annotate --override requirements/overrides.txt --extra sandbox --extra gateway --group model
requirements:
	$(COMPILE) -o requirements/sandbox.txt
	$(COMPILE) --group dev -c requirements/sandbox.txt -o requirements/dev.txt

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "genai-tui needs Python 3.11 or newer; set PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv .venv

INSTALL = $(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --require-hashes
THIS = $(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .

.venv/sandbox-installed: .venv/bin/python requirements/sandbox.txt pyproject.toml
	@echo "Installing what the sandbox needs into .venv (once) ..."
	@$(INSTALL) -r requirements/sandbox.txt
	@$(THIS)
	@touch $@

.venv/dev-installed: .venv/bin/python requirements/dev.txt pyproject.toml
	@echo "Installing what the tests need into .venv (once) ..."
	@$(INSTALL) -r requirements/dev.txt
	@$(THIS)
	@touch $@ .venv/sandbox-installed

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build
