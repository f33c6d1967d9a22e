# Every target sets up what it needs: Python 3.11 or newer, git and make are enough.
#   make test ARGS='tests/nervure -k claims'    passes arguments on
#   make test PYTHON=python3.12                 picks the Python of the environment

PYTHON ?= python3
ARGS ?=

BIN := .venv/bin
READY := .venv/.ready
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input --no-deps

# Our packages have plain names: nothing from outside may stand before them.
unexport PYTHONPATH PYTHONHOME

# The stamp holds the folder it was made in. A moved checkout, a Python that is gone or upgraded, or another one asked
# for by name leaves an environment that only looks ready: without its stamp it is made anew.
version = $(shell $(1) -c 'import pip, sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
ifneq ($(wildcard $(READY)),)
  FOUND := $(call version,$(BIN)/python)
  WANTED := $(if $(filter command environment,$(origin PYTHON)),$(call version,$(PYTHON)))
  ifneq ($(shell cat $(READY)) $(FOUND),$(CURDIR) $(or $(WANTED),$(FOUND),none))
    $(shell rm -f $(READY))
  endif
endif

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help up demo replay test check bench soak requirements lock clean

help: ## Show this list
	@echo "Nervure. ARGS='...' is passed on, PYTHON=... picks the Python."
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-14s%s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# exec: the shell makes way, so that what stops make reaches the hub itself.
up: $(READY) ## Start the hub, its pages and Prefect; Ctrl-C stops them
	@exec $(BIN)/nervure up $(ARGS)

demo: $(READY) ## Run a small merchant with emulated shops, tills and suppliers
	@exec $(BIN)/nervure demo $(ARGS)

replay: $(READY) ## Play recorded documents through the hub again
	@exec $(BIN)/nervure replay $(ARGS)

test: $(READY) ## Run all tests on two processes
	@$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

check: $(READY) ## Check format, lint, types, imports, dependencies and migrations; stops at the first failure
	@echo "check: format"
	@$(BIN)/ruff format --check --quiet . || { echo "Not formatted: $(BIN)/ruff format ." >&2; exit 1; }
	@echo "check: lint"
	@$(BIN)/ruff check --quiet .
	@echo "check: types"
	@$(BIN)/mypy --no-error-summary
	@echo "check: imports"
	@$(BIN)/lint-imports
	@echo "check: dependencies"
	@$(BIN)/deptry .
	@echo "check: migrations"
	@$(BIN)/nervure db check
	@echo "check: all passed"

bench: $(READY) ## Measure what the documentation claims
	@$(BIN)/python -m bench $(ARGS)

soak: $(READY) ## Run the long tests
	@$(BIN)/python -m pytest -m soak --timeout 0 $(ARGS)

requirements: $(READY) ## Show which complaints of the field have a test
	@$(BIN)/python -m tests.requirements_report $(ARGS)

lock: $(READY) ## Resolve the dependencies again; ARGS=--upgrade takes newer versions
	@$(BIN)/uv pip compile --universal --generate-hashes --no-header --extra dev --python-version 3.11 \
	  pyproject.toml --output-file requirements.lock --quiet $(ARGS)
	@echo "requirements.lock is up to date; the next target installs it."

clean: ## Remove the environment and all caches; the data in .nervure stays
	@rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name .git -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp goes first and comes last: a set-up that was cut short begins with an empty environment.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Nervure needs Python 3.11 or newer, and '$(PYTHON)' is not. Name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "'$(PYTHON)' cannot make environments: install its venv module (on Debian and Ubuntu: python3-venv)." >&2; \
	  exit 1; }
	@echo "Setting up .venv from requirements.lock. The first time takes a few minutes."
	@if [ -f $@ ]; then rm -f $@; else $(PYTHON) -m venv --clear .venv; fi
	@$(PIP) --require-hashes --requirement requirements.lock
	@PYTHONWARNINGS=ignore $(PIP) --no-build-isolation --editable .
	@printf '%s\n' '$(CURDIR)' > $@
