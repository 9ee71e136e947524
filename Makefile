# Everything runs in the virtual environment .venv, made on first use and again when pyproject.toml changes.
# Another Python: make test PYTHON=/path/to/python3

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# On every core, but no more processes than memory is sure to bear: each has the whole knowledge several times.
PYTEST := $(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=worksteal
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

# durable-rules 2.0.28 calls a function that Python 3.13 removed; the new name takes the same arguments.
export CPPFLAGS := -DPyEval_CallObject=PyObject_CallObject $(CPPFLAGS)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo run test coverage check bench hostile load openloop soak kill schemathesis synthetic conformance metamorphic incomplete edits mutants docs pictures lock clean FORCE

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

demo: $(VENV)/.runtime ## replay the example patients and show their cards; OPEN=1: open the workbench on them instead
	@$(BIN)/anakinra-cds demo $(if $(OPEN),--open)

run: $(VENV)/.runtime ## serve on http://127.0.0.1:8080, with the workbench
	@CDS_WORKBENCH=$${CDS_WORKBENCH:-on} $(BIN)/anakinra-cds serve --host 127.0.0.1 --port 8080

test: $(VENV)/.dev ## run all tests
	@$(PYTEST)

coverage: $(VENV)/.dev ## the same, and which branches they ran: takes twice as long
	@$(PYTEST) --cov=cds_service --cov-branch --cov-report=term:skip-covered

check: $(VENV)/.dev ## style, types, layers, and the rules and cards themselves
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/anakinra-cds check
	@$(BIN)/anakinra-cds docs --check
	@$(BIN)/anakinra-cds schemas --check

bench: $(VENV)/.dev ## measure the service against a bare Flask view
	@$(BIN)/python -m benchmarks.bench

hostile: $(VENV)/.dev ## measure charts that were made to be slow or large, each alone
	@$(BIN)/python -m benchmarks.hostile

load: $(VENV)/.dev ## slow FHIR servers, slow clients, too many calls, workers that hang or crash
	@$(BIN)/python -m benchmarks.load

openloop: $(VENV)/.dev ## what one machine bears, and ten minutes of calls at 60 % of it; REPLICAS=2: behind nginx on one PostgreSQL too
	@$(BIN)/python -m benchmarks.openloop $(if $(REPLICAS),--replicas $(REPLICAS) --json benchmarks/scale.json)

soak: $(VENV)/.dev ## 200,000 evaluations, then 60,000 calls over HTTP: memory, results and records must stay the same
	@$(BIN)/python -m benchmarks.soak --evaluations 200000
	@$(BIN)/python -m benchmarks.soak_served --requests 60000

kill: $(VENV)/.dev ## 200 times kill -9 of workers and services under load: nothing acknowledged may be lost
	@$(BIN)/python -m benchmarks.kill --kills 200

schemathesis: $(VENV)/.dev ## 20,000 requests made up from /openapi.json: no 5xx, no answer that is not as described
	@$(BIN)/python -m benchmarks.described --requests 20000

synthetic: $(VENV)/.dev ## 500 synthetic patients in four dialects, and 500 with dirt: is each answered as its truth says?
	@rm -rf build/synthetic
	@$(BIN)/anakinra-cds synth --n 500 --seed 7 --out build/synthetic/clean
	@$(BIN)/anakinra-cds synth --n 500 --seed 8 --dirt 0.03 --out build/synthetic/dirty
	@$(BIN)/anakinra-cds replay build/synthetic/clean --truth build/synthetic/clean --html build/synthetic/clean.html
	@$(BIN)/anakinra-cds replay build/synthetic/dirty --truth build/synthetic/dirty --html build/synthetic/dirty.html

conformance: $(VENV)/.dev ## what CDS Hooks asks of a service, and the tests that show it
	@$(BIN)/python -m tests.support.conformance

metamorphic: $(VENV)/.dev ## 100,000 pairs of charts: changes that must not matter, and contraindications that must; what is not understood, local codes, other words
	@METAMORPHIC_EXAMPLES=3000 RELATIONS=0 $(PYTEST) -q tests/facts/test_facts_metamorphic.py \
	  tests/facts/test_facts_relations.py tests/test_relations.py

incomplete: $(VENV)/.dev ## lose each query of each chart in every way: no answer becomes calmer
	@INCOMPLETE_READS=0 $(PYTEST) -q tests/test_incomplete_reads.py

edits: $(VENV)/.dev ## 440 random slips in rules and cards: each is refused by file and line, or every example is answered
	@RANDOM_EDITS=440 $(BIN)/python -m pytest -q -s tests/knowledge/test_random_edits.py

mutants: $(VENV)/.dev ## change every criterion, policy, unit, dose and finding: a case must notice each
	@$(BIN)/anakinra-cds mutants --equivalent tests/mutants/equivalent.yaml
	@MUTANTS_EVERY=1 $(PYTEST) -q tests/mutants

docs: $(VENV)/.docs ## write docs/knowledge.md, the catalogue as pages, and all documents as a site: site/index.html
	@$(BIN)/anakinra-cds docs
	@$(BIN)/sphinx-build -q -W --keep-going -c docs/site -d build/doctrees . site
	@echo "the documents as a site: open site/index.html"

pictures: $(VENV)/.dev ## draw the cards of docs/pictures anew, in Chromium
	@$(BIN)/python -m tests.support.pictures

lock: $(VENV)/.runtime ## record raised versions: make lock CHANGE="why"
	@$(BIN)/anakinra-cds lock --change "$$CHANGE"

clean: ## remove .venv, caches and build results
	@rm -rf $(VENV) build dist site *.egg-info htmlcov .coverage .coverage.* \
	  .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the virtual environment -------------------------------------------------------------------------------

# A checkout that was moved or copied, or whose Python was removed, gets a new environment.
ifneq ($(shell test -x $(BIN)/python && cat $(VENV)/.made-for 2>/dev/null),$(CURDIR))
$(VENV)/.made-for: FORCE
endif

$(VENV)/.made-for:
	@python=; \
	for candidate in "$(PYTHON)" python3.13 python3.12 python3.11; do \
	  if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    python=$$candidate; break; \
	  fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "error: Python 3.11 or newer not found ($(PYTHON) is missing or older); install it or name it: make PYTHON=/path/to/python3" >&2; exit 1; \
	fi; \
	if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
	  echo "error: $$python cannot make virtual environments; Debian/Ubuntu: apt-get install python3-venv" >&2; exit 1; \
	fi; \
	if ! { command -v cc || command -v gcc || command -v clang; } >/dev/null 2>&1; then \
	  echo "error: no C compiler, needed to build durable-rules; Debian/Ubuntu: apt-get install build-essential python3-dev; Fedora: dnf install gcc python3-devel; macOS: xcode-select --install" >&2; exit 1; \
	fi; \
	if ! "$$python" -c 'import os, sysconfig; os.stat(os.path.join(sysconfig.get_path("include"), "Python.h"))' 2>/dev/null; then \
	  echo "error: no Python.h for $$python, needed to build durable-rules; Debian/Ubuntu: apt-get install python3-dev; Fedora: dnf install python3-devel" >&2; exit 1; \
	fi; \
	echo "setting up .venv with $$("$$python" --version) (first time: about a minute) ..."; \
	"$$python" -m venv --clear $(VENV) && pwd -P >$@

# pip may hold a durable-rules wheel that was built elsewhere without CPPFLAGS and fails on import: build it anew.
# And where Python may not write its bytecode, each start would compile the whole package again: once here.
define install
$(PIP) install --editable '$(1)'
@$(BIN)/python -c 'import durable.lang' 2>/dev/null || { \
  echo "building durable-rules anew ..."; \
  $(PIP) install --no-cache-dir --no-deps --force-reinstall "$$($(BIN)/python -m pip freeze | grep -i '^durable.rules==')"; \
  $(BIN)/python -c 'import durable.lang'; }
@$(BIN)/python -m compileall -q cds_service
endef

$(VENV)/.runtime: pyproject.toml $(VENV)/.made-for
	@echo "installing what the service and its tools need ..."
	@$(call install,.[tools])
	@touch $@

$(VENV)/.docs: $(VENV)/.runtime
	@echo "installing what a site of the documents needs ..."
	@$(PIP) install --editable '.[docs]'
	@touch $@

$(VENV)/.dev: pyproject.toml $(VENV)/.made-for
	@echo "installing what the service, its tools and its tests need ..."
	@$(call install,.[dev])
	@touch $(VENV)/.runtime $(VENV)/.docs $@
