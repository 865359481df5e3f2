# The commands of this project. On a fresh Debian machine, as root: make demo, make test.
SHELL := /bin/bash
VENV ?= .venv
PY = $(VENV)/bin/python
export PYTHONPATH := $(CURDIR)
export PYTHONDONTWRITEBYTECODE ?= 1

.PHONY: help demo test check lint types unit contract shim test-shim deb test-package fuzz bench cover docs accept-scenarios clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 20

demo: $(VENV)/demo ## the main job on recorded evidence of a real pair
	@VENV=$(VENV) tests/demo.sh

test: check unit contract shim ## everything that needs no lab; sets up what is missing

check: lint types ## style and types

lint: $(VENV)/test
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .

types: $(VENV)/test
	$(VENV)/bin/mypy

unit: $(VENV)/test ## the Python tests
	$(VENV)/bin/pytest -m "not contract and not slow and not package"

contract: $(VENV)/test ## the API client against fakepve, with every proxmoxer it must work with
	$(PY) -m tests.contract.all_versions

shim: $(VENV)/test ## the Perl tests
	prove -r perl-shim/t

test-shim: ## the Perl tests against real sources: make test-shim PVE_SRC=DIR
	PVE_SRC=$(PVE_SRC) prove -r perl-shim/t

deb: ## the Debian package, into dist/, checked by lintian
	tests/build-deb.sh dist

test-package: $(VENV)/package ## the package on fresh Debian 12 and 13 roots, as root; five minutes
	$(VENV)/bin/pytest -m package tests/package

fuzz: $(VENV)/test ## 100,000 damaged inputs
	FUZZ_INPUTS=100000 $(VENV)/bin/pytest -q tests/fuzz

bench: $(VENV)/test ## speed and memory, as figures
	$(PY) -m tests.benchmarks.bench
	$(PY) -m tests.benchmarks.bench_service

cover: $(VENV)/test ## line and branch coverage of words, readers and rules
	$(VENV)/bin/coverage run -m pytest -q -m "not contract and not slow and not package"
	$(VENV)/bin/coverage report --include='pve_drbd/errors.py,pve_drbd/findings.py,pve_drbd/model/*,pve_drbd/readers/*,pve_drbd/dialects.py,pve_drbd/whole_answer.py,pve_drbd/accounts.py,pve_drbd/rules/*' --fail-under=95

docs: $(VENV)/test ## write docs/checks.md anew from the catalogue
	$(PY) -m tests.checks_page > docs/checks.md

accept-scenarios: $(VENV)/test ## write every scenario's expectation anew; review the diff
	$(PY) -m tests.scenarios --accept

$(VENV)/demo: setup.cfg tests/setup.sh
	tests/setup.sh demo $(VENV)

$(VENV)/test: setup.cfg tests/setup.sh
	tests/setup.sh test $(VENV)

$(VENV)/package: setup.cfg tests/setup.sh
	tests/setup.sh package $(VENV)

clean: ## remove what was set up and built
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage tests/artefacts
