# Every target sets up .venv first; a second call finds it ready. Arguments go in ARGS: make test ARGS="-k floors"
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Two processes for each core that CI has: tests wait for servers, kills and retries.
TESTS := $(BIN)/python -m pytest -n 4 --dist worksteal
WITHOUT_SERVERS := not postgres and not mariadb and not prefect and not s3 and not notebook and not slow
READY := $(VENV)/.ready
BENCH_READY := $(VENV)/.bench-ready
NOTEBOOKS_READY := $(VENV)/.notebooks-ready
DOCS_READY := $(VENV)/.docs-ready
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Tests start hundreds of processes; without it each would compile our modules anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run notebooks test test-fast prove cover check docs bench lock clean
.DELETE_ON_ERROR:

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(READY) ## Move real tables through the sandbox, on Prefect, and check every row
	$(BIN)/python -m demo.run $(ARGS)

notebooks: $(NOTEBOOKS_READY) ## JupyterLab with the tours, and the sandboxes they run against
	$(BIN)/python -m notebooks.serve $(ARGS)

test: $(READY) ## Run all tests
	$(TESTS) $(ARGS)

test-fast: $(READY) ## Run the tests that need neither a server nor the connector kit: a minute, while you work
	$(TESTS) -n 3 -m "$(WITHOUT_SERVERS) and not conformance" $(ARGS)

cover: $(READY) ## Run the tests without servers and ask that no less is covered than before (slower than test-fast)
	$(TESTS) -m "$(WITHOUT_SERVERS)" --cov --cov-report=term:skip-covered $(ARGS)

prove: $(READY) ## Run the tests of exactness in their long forms, then 200 failures with a report (PROOF="--seed 2")
	NUCLEUS_PROVE=1 $(TESTS) tests/exactness tests/connector_kit tests/metadata_api/test_killed.py tests/flows/test_dask.py tests/flows/test_knowledge_killed.py $(ARGS)
	PREFECT_LOGGING_LEVEL=CRITICAL $(BIN)/python -m tests.exactness.proof $(PROOF)

check: $(READY) ## Lint, format, types, floors, lock files: what CI asks before the tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/architecture

docs: $(DOCS_READY) ## Build the documentation as a site in build/site; a link that leads nowhere fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet $(ARGS)

bench: $(BENCH_READY) ## Measure against psql, dlt, an API's own latency and Prefect's (minutes, and some gigabytes of disk)
	$(BIN)/python -m benchmarks.run $(ARGS)

lock: ## Solve the lock files again (needs uv)
	./requirements/lock.sh

clean: ## Remove .venv and everything that tools cached
	rm -rf $(VENV) .sandbox .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): requirements/dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed, and $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12 …" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
		{ echo "$(PYTHON) cannot make a virtual environment. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements/dev.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(BENCH_READY): requirements/bench.lock $(READY)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements/bench.lock
	@touch $@

$(NOTEBOOKS_READY): requirements/notebooks.lock $(READY)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements/notebooks.lock
	@touch $@

$(DOCS_READY): requirements/docs.lock $(READY)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements/docs.lock
	@touch $@
