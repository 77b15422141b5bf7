# Each target sets up .venv by itself when it is missing or pyproject.toml has changed.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	if $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$p; break; fi; done)
VENV := .venv
BIN := $(VENV)/bin
CONFIG ?= configs/default.yaml
ON_ALL_PROCESSORS := --numprocesses logical --maxprocesses 8

.DEFAULT_GOAL := help
.PHONY: help train test torture test-matrix check bench gates pretrained docs docs-examples pages build package-test format clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

train: $(VENV)/.installed  ## train on MNIST; a stopped run goes on where it was (CONFIG=configs/default.yaml)
	$(BIN)/mnistnet train --config $(CONFIG) --resume

test: $(VENV)/.installed-dev  ## run the tests, on all processors
	$(BIN)/python -m pytest $(ON_ALL_PROCESSORS)

torture: $(VENV)/.installed-dev  ## try each promise of docs/reliability.md in full (12 minutes), and write its figures
	$(BIN)/python -m pytest -m torture tests/torture --record=benchmarks/reliability.json
	$(BIN)/python -m tests.torture.cost data benchmarks/reliability.json
	$(BIN)/python -m benchmarks.reliability

test-matrix: $(VENV)/.installed-dev  ## run the tests under every Python here, with oldest and newest dependencies
	$(BIN)/python -m tests.torture.matrix $(ON_ALL_PROCESSORS)

check: $(VENV)/.installed-dev  ## check format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/.installed-bench  ## time an epoch beside PyTorch, JAX and others, and write docs/benchmarks.md
	$(BIN)/python -m benchmarks.bench
	$(BIN)/python -m benchmarks.curves
	$(BIN)/python -m benchmarks.report
	$(BIN)/python -m benchmarks.front_page

gates: $(VENV)/.installed  ## train the configs that promise an accuracy, over their seeds (FULL=1: the long one too)
	$(BIN)/python -m benchmarks.gates $(if $(FULL),--full); kept=$$?; $(BIN)/python -m benchmarks.front_page && exit $$kept

pretrained: $(VENV)/.installed  ## make the networks that come with the package again
	$(BIN)/python -m benchmarks.pretrained

docs: $(VENV)/.installed-docs  ## build the pages in docs/ as a site into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "site/index.html is the front page; $(BIN)/mkdocs serve shows pages as you write them"

build: $(VENV)/.installed-dev  ## build the sdist and the wheel into dist/, the same bytes for the same commit
	rm -rf dist
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/python -m build --quiet .

package-test: build  ## install the wheel into an empty environment and try it there
	$(BIN)/python .ci/package_test.py dist/*.whl

docs-examples: $(VENV)/.installed-dev  ## run the commands that docs/ and the README show, and write what they print
	$(BIN)/python -m scripts.examples
	$(BIN)/python -m scripts.terminal

pages: $(VENV)/.installed-dev  ## write the generated parts of README.md and docs/ anew: commands, config, figures
	$(BIN)/python -m scripts.commands
	$(BIN)/python -m scripts.config_reference
	$(BIN)/python -m scripts.rooms
	$(BIN)/python -m benchmarks.front_page

format: $(VENV)/.installed-dev  ## format the code and sort its imports
	$(BIN)/ruff check --fix --select I .
	$(BIN)/ruff format .

clean:  ## remove .venv and caches; runs and data stay
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist site
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Training brings what the README shows: figures, the page, exports. Stamps of their own, because testing needs more.
$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[plot,demo,onnx,safetensors]'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(VENV)/.installed

# PyTorch and JAX take gigabytes, and only the comparison needs them.
$(VENV)/.installed-bench: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-docs: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@touch $@ $(VENV)/.installed

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "mnistnet needs Python 3.11 or newer: install it, or name it: make PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv $(VENV)
