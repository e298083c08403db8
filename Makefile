# Two commands do everything on a fresh machine: `make demo` and `make test`.
VENV   := .venv
PYTHON ?= python3
PY     := $(VENV)/bin/python
STAMP  := $(VENV)/.installed
# The tests start hundreds of Pythons; each would compile all anew where a shell or an image forbids to keep it.
unexport PYTHONDONTWRITEBYTECODE
# LightGBM wants the system's OpenMP runtime; where there is none, set-up links scikit-learn's copy here.
export LD_LIBRARY_PATH := $(CURDIR)/$(VENV)/openmp:$(LD_LIBRARY_PATH)

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format bench lock clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

setup: $(STAMP)  ## Install everything into .venv (the other targets do it by themselves)

$(STAMP): pyproject.toml requirements.lock
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --progress-bar on --disable-pip-version-check -r requirements.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@$(PY) deploy/openmp.py $(VENV)/openmp
	@touch $@

demo: $(STAMP)  ## The main job end to end on this machine: two sweeps with production jobs in their middle
	$(VENV)/bin/headgate demo

test: $(STAMP)  ## Run the tests (brings its own PostgreSQL)
	$(PY) -m pytest

check: $(STAMP)  ## Format, lint, types and import arrows
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

format: $(STAMP)  ## Format and fix what ruff can fix
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

bench: $(STAMP)  ## Run every benchmark in its quick form
	$(PY) -m benchmarks --quick

lock: $(STAMP)  ## Resolve the exact versions again (needs uv)
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
	  --no-header --no-emit-index-url --no-emit-find-links --no-annotate -o requirements.lock

clean:  ## Remove what set-up and the tests made
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis dist headgate-data
