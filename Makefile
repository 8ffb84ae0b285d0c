.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.locked-$(shell cat requirements/dev.lock pyproject.toml | cksum | cut -d' ' -f1)
RUN := $(VENV)/bin/

help: ## Say what each target does
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | expand -t 12

$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Chorus needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(RUN)python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	$(RUN)python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@rm -f $(VENV)/.locked-*
	@touch $@

setup: $(STAMP) ## Make the virtual environment from the lock

demo: setup ## Start everything and replay a record shop's purchases; says where the wall is
	@$(RUN)chorus demo

test: setup ## Run every test
	@$(RUN)python -m tests.browser.chromium
	@$(RUN)python -m tests.peers.install
	@$(RUN)python -m tests.peers.kde.install
	@$(RUN)pytest

check: setup ## Format, lint, types, import direction, tests
	@$(RUN)ruff format --check . && $(RUN)ruff check .
	@$(RUN)mypy
	@$(RUN)lint-imports
	@$(MAKE) --no-print-directory test

bench: setup ## Measure against the limits of this machine; table and JSON
	@$(RUN)python -m tests.bench

two-years: setup ## Two simulated years at four times the commands (CHORUS_TWO_YEARS, CHORUS_SEED)
	@CHORUS_TWO_YEARS=$${CHORUS_TWO_YEARS:-4} $(RUN)pytest tests/simulation/test_two_years.py

format: setup ## Let ruff format and mend
	@$(RUN)ruff format . && $(RUN)ruff check --fix .

lock: ## Write the lock again from pyproject.toml (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --extra dev -o requirements/dev.lock pyproject.toml
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -o requirements/run.lock -c requirements/dev.lock pyproject.toml

.PHONY: help setup demo test check bench two-years format lock
