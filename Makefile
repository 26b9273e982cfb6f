# Both commands work in a fresh clone; they create .venv, install into it, and may be run again.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test test-cluster lint install clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]" -c constraints.txt
	touch $@

demo: install  ## the main job on synthetic recordings: a leaderboard in a few minutes
	$(BIN)/ecgbench run demo

test: install lint
	$(BIN)/python -m pytest

test-cluster: install  ## against a real SLURM that the tests start on loopback (as root; Debian: slurm-wlm and munge)
	$(BIN)/python -m pytest -m cluster tests/slurm

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) runs build *.egg-info
