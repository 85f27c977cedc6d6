# Does all set-up itself: a virtual environment in the checkout, with exactly the versions of constraints.txt.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
PYTHONS ?= 3.11 3.12 3.13 3.14
# Most tests wait for processes: it takes eight to keep two cores busy.
TESTS ?= -n 5
VENV := .venv
TRIALS := tests/trials tests/bus/core/test_random_walk.py tests/clients/conform # and tests that promise a time:
TRIALS += tests/system/test_displays.py tests/system/test_majordomo.py tests/system/test_broker_system.py tests/sim/test_venue.py
READY := $(VENV)/.ready
BUILD_DOCS := NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict

.PHONY: help setup run test test-pythons trials check docs man deb clean

help:
	@echo "make run     start everything with a simulated world around it; Ctrl-C stops it"
	@echo "make test    run every test"
	@echo "make test-pythons  every test, on each of Python $(PYTHONS) that this machine has"
	@echo "make trials  the trials in their full size: kills, freezes, days of ticks, ten minutes of memory; about 20 minutes"
	@echo "make check   lint, format, types and documents"
	@echo "make docs    the documents as a site in ./site; open site/index.html"
	@echo "make man     manual pages and completion scripts in ./build/share; try man -l build/share/man/man1/hulak.1"
	@echo "make deb     the Debian package in ./dist, for this release of Debian"
	@echo "make setup   only the virtual environment; the others do it too"
	@echo "make clean   remove the virtual environment, ./var and what tools left behind"

setup: $(READY)

$(READY): pyproject.toml constraints.txt .ci/setup
	@PYTHON="$(PYTHON)" bash .ci/setup $(VENV)
	@touch $@

run: $(READY)
	@exec $(VENV)/bin/hulak up --demo --home ./var

# Python keeps what it has compiled, whatever the environment says: the tests start many processes.
test test-pythons trials: export PYTHONDONTWRITEBYTECODE :=

test: $(READY)
	@bash .ci/browser
	@bash .ci/promtool
	@$(VENV)/bin/python -m pytest $(TESTS)

test-pythons:
	@bash .ci/browser
	@bash .ci/pythons $(PYTHONS) -- $(TESTS)

trials: $(READY)
	@bash .ci/browser
	@$(VENV)/bin/python -m pytest $(TRIALS) --long --timeout 1200

check: $(READY)
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(BUILD_DOCS) --quiet

docs: $(READY)
	$(BUILD_DOCS)

man: $(READY)
	@$(VENV)/bin/python -m hulak.clients.cli.manual build/share

deb: $(READY)
	@packaging/build-deb

clean:
	@rm -rf $(VENV) .pythons var dist site build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
