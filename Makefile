PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
# A module is compiled on its first import: most of the packages' modules never are.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
# The tracking client for Node.js, which the tests run.
NODE := tests/clients/node
# ClickHouse in a wheel, as large as all others together: in an environment of its own.
CHDB := .venv-chdb/ready
# Statistics of other people, with NumPy: what experiments are compared with.
ORACLES := .venv-oracles/ready
NODE_CLIENTS := $(NODE)/node_modules/.package-lock.json
# The script for web pages, and what builds and tests it.
BROWSER := browser
BROWSER_TOOLS := $(BROWSER)/node_modules/.package-lock.json
# The web console, and what builds and tests it.
CONSOLE := console
CONSOLE_TOOLS := $(CONSOLE)/node_modules/.package-lock.json

# pip is left to the virtual environment, and the project is no package of any index.
COMPILE := CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --generate-hashes --strip-extras \
	--build-deps-for editable --unsafe-package pip --unsafe-package sojourn \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options

# The tests start a hundred interpreters, and each would compile all it imports anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test test-all prove clickhouse oracles chaos bench check dev env schemas settings histories browser console keep-scripts lock sbom clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY) ## Run everything on this machine and let about twenty users walk their journeys; ONCE=1 checks and ends
	$(BIN)/sojourn demo $(if $(filter 1,$(ONCE)),--once)

test: $(READY) $(NODE_CLIENTS) $(BROWSER_TOOLS) $(CONSOLE_TOOLS) ## Run the tests, without the short chaos
	$(BIN)/pytest -m "not chaos"

test-all: $(READY) $(NODE_CLIENTS) $(BROWSER_TOOLS) $(CONSOLE_TOOLS) ## Run all tests: also the short chaos, and the builds broken on purpose that it finds
	$(BIN)/pytest

prove: $(READY) $(CHDB) $(ORACLES) ## Run the long form of the tests that have one
	SOJOURN_PROVE=1 $(BIN)/pytest -m prove

clickhouse: $(READY) $(CHDB) ## Install ClickHouse in a wheel (0.6 GB) and run the tests of the copy in it
	$(BIN)/pytest tests/clickhouse

oracles: $(READY) $(ORACLES) ## Install independent libraries of statistics (0.3 GB) and compare experiments with them
	$(BIN)/pytest tests/oracles

chaos: $(READY) ## Kill, cut, fill and freeze everything under a stream of events, and audit; SEED=, SECONDS= (600)
	$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED)) $(if $(SECONDS),--seconds $(SECONDS))

bench: $(READY) ## Measure what it costs, each figure beside its floor; ONLY=name runs one family, JSON=file writes all
	$(BIN)/python -m tests.bench

check: $(READY) ## Lint, check the format, the types and the direction of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	@for name in sojourn sojourn-views; do \
		echo "api/scripts/$$name.js: $$(gzip -9c api/scripts/$$name.js | wc -c) bytes compressed"; \
	done

env: ## Write .env for docker compose on this machine, with new secrets and an inbox
	@sh deploy/env.sh

dev: $(READY) ## Run everything on this machine for development, with its data kept in .sojourn
	$(BIN)/sojourn dev

schemas: $(READY) ## Write the JSON Schemas of the documents anew
	@for name in campaign segment frequency-caps computed events lifecycle rfm retention places providers audiences senders \
		topics replies page-triggers scenarios; do \
		$(BIN)/sojourn schema $$name > schemas/$$name.schema.json || exit 1; \
	done

settings: $(READY) ## Write docs/settings.md anew from settings.py
	$(BIN)/python -m tests.docs.settings_page

histories: $(READY) ## Record the journeys of which this release has no history yet
	$(BIN)/python -m tests.replay.record

browser: $(BROWSER_TOOLS) ## Build the scripts for web pages anew, from browser/ to api/scripts/
	cd $(BROWSER) && npm run --silent build

console: $(READY) $(CONSOLE_TOOLS) ## Build the web console anew, from console/src to console/dist, with types of the API
	$(BIN)/python -m tests.clients.console_document
	cd $(CONSOLE) && npm run --silent check && npm run --silent build

keep-scripts: ## Keep the scripts for web pages of this release, for pages that have their hash
	folder=api/scripts/kept/$$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml) && mkdir -p $$folder && \
		cp api/scripts/sojourn.js api/scripts/sojourn-views.js $$folder/

lock: $(READY) ## Pin what pyproject.toml asks for; versions that still fit stay
	$(COMPILE) --extra test --output-file requirements.lock pyproject.toml
	$(COMPILE) --constraint requirements.lock --output-file requirements-runtime.lock pyproject.toml

sbom: $(READY) ## Write what a release consists of as CycloneDX to build/sbom.cdx.json, from the lock
	@mkdir -p build
	$(BIN)/cyclonedx-py requirements requirements-runtime.lock --pyproject pyproject.toml --output-reproducible \
		--short-PURLs --output-file build/sbom.cdx.json

clean: ## Remove what was installed, built and stored here
	rm -rf $(VENV) .venv-chdb .venv-oracles $(NODE)/node_modules $(BROWSER)/node_modules $(BROWSER)/dist $(CONSOLE)/node_modules .sojourn build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Sojourn needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' || \
		{ echo "Python lacks venv: on Debian and Ubuntu, apt install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(READY): $(BIN)/python requirements.lock pyproject.toml
	@echo "Installing $$(grep -c '==' requirements.lock) packages into $(VENV) (about 850 MB), which takes a minute or two …"
	@began=$$(date +%s); \
	$(PIP) --require-hashes --no-deps -r requirements.lock && $(PIP) --no-deps --no-build-isolation --editable . && \
	echo "Installed in $$(($$(date +%s) - began)) s."
	@touch $@

$(CHDB): tests/clickhouse/requirements.lock
$(ORACLES): tests/oracles/requirements.lock
$(CHDB) $(ORACLES):
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $<
	@touch $@

$(NODE_CLIENTS) $(BROWSER_TOOLS) $(CONSOLE_TOOLS): %/node_modules/.package-lock.json: %/package.json %/package-lock.json
	@node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null && command -v npm >/dev/null || \
		{ echo "The tests run clients and tools of Node.js: install Node.js 20 or newer, with npm" >&2; exit 1; }
	cd $* && npm ci --no-audit --no-fund --ignore-scripts --loglevel error
	@touch $@
