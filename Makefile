# What one can do with this checkout. Needs Python 3.11 or newer, git and make.

PYTHON ?= python3
VENV   ?= .venv
RUN    := $(VENV)/bin/python

# One BLAS thread: two jobs with two threads each were measured hundreds of times slower on two cores.
export OPENBLAS_NUM_THREADS = 1
export OMP_NUM_THREADS = 1
export MKL_NUM_THREADS = 1
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL := help
.PHONY: help install demo serve test bench bench-diagnosis bench-statistics bench-scaling bench-quality bench-serve lock clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1@/p' $(MAKEFILE_LIST) | awk -F@ '{ printf "make %-14s %s\n", $$1, $$2 }'

install: $(VENV)/.runtime ## the environment, from requirements.lock

demo: $(VENV)/.runtime ## start the service, train the digits over HTTP, predict, inspect, stop
	@$(RUN) -m service.demo

serve: $(VENV)/.runtime ## the service and its workers, staying up
	@$(RUN) -m service serve

step = @echo "== $(1)"; $(2) || { echo "make test: FAILED in the step '$(1)': $(2)" >&2; exit 1; }

test: $(VENV)/.dev ## format, lint, types, import contracts, all tests on SQLite and on Postgres
	$(call step,format,$(VENV)/bin/ruff format --check .)
	$(call step,lint,$(VENV)/bin/ruff check .)
	$(call step,types,$(RUN) -m mypy)
	$(call step,import contracts,$(VENV)/bin/lint-imports)
	$(call step,tests,$(RUN) -m pytest -q -n 2)

bench: $(VENV)/.bench ## examples per second beside peers and the GEMM floor; how often the diagnosis is right
	@$(RUN) -m tests.bench.training; trained=$$?; $(RUN) -m tests.bench.diagnosis && exit $$trained

bench-diagnosis: $(VENV)/.dev ## how often planted faults are found and healthy runs accused
	@$(RUN) -m tests.bench.diagnosis

bench-statistics: $(VENV)/.dev ## what it costs a run to look at its layers
	@$(RUN) -m tests.bench.statistics

bench-scaling: $(VENV)/.bench ## how time grows with width, depth and batch, as a picture
	@$(RUN) -m tests.bench.scaling

bench-quality: $(VENV)/.bench ## test scores on the six sets beside scikit-learn and torch
	@$(RUN) -m tests.bench.quality

bench-serve: $(VENV)/.dev ## latency of the API while a job trains on each core
	@$(RUN) -m tests.bench.serving

# A changed lock makes the environment anew, so that nothing stays behind from the old one.
$(VENV)/.runtime: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Python 3.11 or newer is needed; '$(PYTHON)' is not. Name another: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "== environment"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(RUN) -m pip install --quiet --require-hashes --only-binary :all: -r requirements.lock
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	@echo "== development tools"
	@$(RUN) -m pip install --quiet --require-hashes --only-binary :all: -r requirements-dev.lock
	@touch $@

$(VENV)/.bench: requirements-bench.lock $(VENV)/.dev
	@echo "== benchmark peers"
	@$(RUN) -m pip install --quiet --require-hashes --only-binary :all: -r requirements-bench.lock
	@touch $@

# One version of each package for every Python and system; the newer locks agree with the older.
COMPILE = $(VENV)/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest \
  --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate pyproject.toml

lock: ## resolve the dependencies of pyproject.toml anew into the three lock files
	@$(PYTHON) -m venv $(VENV)/lock && $(VENV)/lock/bin/pip install --quiet uv
	@$(COMPILE) --upgrade -o requirements.lock
	@$(COMPILE) --upgrade --group dev -c requirements.lock -o requirements-dev.lock
	@$(COMPILE) --upgrade --group dev --group bench -c requirements-dev.lock -o requirements-bench.lock

clean: ## remove the environment and all caches; keeps ./data
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
