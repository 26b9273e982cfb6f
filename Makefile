# Both commands work in a fresh clone; they create .venv, install into it, and may be run again.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PLAIN := $(VENV)/.installed-plain
# bytecode comes at the first import, of what is imported: compiling all of it takes longer than unpacking it
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile

.PHONY: help demo test test-slow test-cluster coverage mutation speed docs site lint install clean

help:
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*##/\1\t/'

install: $(STAMP)  ## .venv with what a developer needs; may be run again

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) -e ".[dev]" -c constraints.txt
	touch $(PLAIN) $@

$(PLAIN): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) -e . -c constraints.txt
	touch $@

demo: $(PLAIN)  ## the main job on synthetic recordings: a leaderboard in a few minutes
	$(BIN)/ecgarena run demo

test: install lint  ## lint, types and the fast suite, on every core
	$(BIN)/python -m pytest -n auto

test-slow: install  ## tests that take minutes
	$(BIN)/python -m pytest -m slow

test-cluster: install  ## against a real SLURM that the tests start on loopback (as root; Debian: slurm-wlm and munge)
	$(BIN)/python -m pytest -m cluster tests/slurm

coverage: install  ## lines of the harness that the fast suite reaches, subprocesses included
	rm -rf build/coverage && mkdir -p build/coverage
	$(BIN)/python -m coverage run -m pytest
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report --skip-covered --sort=cover

mutation: install  ## small faults in metrics and splitting that no test notices
	$(BIN)/python tests/mutation/run.py

speed: install  ## every measurement at a quick size; writes docs/performance-table.md
	OMP_NUM_THREADS=1 $(BIN)/python tests/speed/collect.py

docs: install  ## API reference from the docstrings, in build/api/
	$(BIN)/python docs/build_api.py build/api

site: install  ## the site from the committed records, in build/site/
	$(BIN)/ecgarena site

lint: install  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) runs build *.egg-info
