# Everything here makes its own environment first: a Python from 3.10 on is all that must be there.
# The environment is .venv, or .venv-3.12 for `make PYTHON=python3.12` where .venv has another Python.
SHELL := /bin/bash
GET_VERSION := -c 'import sys; print("%d.%d" % sys.version_info[:2])'
# development takes the Python of constraints.txt, where it is there; the demo takes the newest
VERSIONS := $(if $(filter demo,$(MAKECMDGOALS)),3.13 3.12 3.11 3.10,3.11 3.12 3.13 3.10)
ifndef PYTHON
PYTHON := $(shell for p in .venv/bin/python $(VERSIONS:%=python%) python3 python; do \
	v=$$($$p $(GET_VERSION) 2>/dev/null); \
	if [[ " $(VERSIONS) " == *" $$v "* ]]; then echo $$p; exit; fi; done)
endif
VERSION := $(if $(PYTHON),$(shell $(PYTHON) $(GET_VERSION) 2>/dev/null))
VENV := $(shell v=$$(.venv/bin/python $(GET_VERSION) 2>/dev/null); \
	[ "$${v:-$(VERSION)}" = "$(VERSION)" ] && echo .venv || echo .venv-$(VERSION))
# a Python without a tested set takes the newest versions
CONSTRAINTS := $(wildcard $(if $(filter 3.11,$(VERSION)),constraints.txt,constraints/$(VERSION).txt))
RUN := $(VENV)/bin
# modules are compiled when they are first imported: compiling all of them takes a minute
unexport PYTHONDONTWRITEBYTECODE
INSTALL := $(RUN)/python -m pip install --quiet --disable-pip-version-check --no-compile $(CONSTRAINTS:%=-c %)
# strings with invalid escapes are errors where warnings are, as in the tests
COMPILE := for p in $(VENV)/lib/python3.*/site-packages/{dgl,leidenalg,loompy}; do \
	[ ! -d $$p ] || $(RUN)/python -W ignore -m compileall -q $$p; done
# two workers with one thread each, which tests/conftest.py sets
PARALLEL := --numprocesses 2 --dist worksteal
SPHINX := $(RUN)/python -m sphinx -q --nitpicky --fail-on-warning --keep-going -d docs/_build/trees

.PHONY: environment demo test test-all platforms lint bench docs docs-links figures size clean

demo: $(VENV)/installed
	rm -rf runs/demo
	$(RUN)/scgnn-recipe run scgnn --labels-key group --out runs/demo

test: $(VENV)/tested
	$(RUN)/python -m pytest $(PARALLEL)

test-all: $(VENV)/tested
	$(RUN)/python -m pytest $(PARALLEL) -m "slow or not slow" --hypothesis-profile=other

# in an environment for each Python; PYTHONS="python3.12 /path/to/python3.13" names them
platforms: $(VENV)/bin/python
	$(RUN)/python tests/platforms.py $(PYTHONS)

lint: $(VENV)/linted
	$(RUN)/ruff check --no-cache .
	$(RUN)/ruff format --no-cache --check .
	$(RUN)/mypy scgnn
	$(RUN)/lint-imports
	$(RUN)/codespell
	$(RUN)/python tests/words.py

bench: $(VENV)/installed
	$(RUN)/python benchmarks/ltmg.py
	$(RUN)/python benchmarks/graph.py --cells 3000
	$(RUN)/python benchmarks/scaling.py --recipe scgnn_fast --cells 1000 4000

docs: $(VENV)/documented
	$(SPHINX) -b html docs docs/_build/html
	@echo "open docs/_build/html/index.html"

figures: $(VENV)/documented
	$(RUN)/python docs/figures.py

size: $(VENV)/bin/python
	$(RUN)/python benchmarks/size.py

docs-links: $(VENV)/documented
	$(SPHINX) -b linkcheck docs docs/_build/links

clean:
	rm -rf .venv .venv-* runs build *.egg-info docs/_build docs/components

$(VENV)/bin/python:
	@if [ -z "$(VERSION)" ]; then \
	  echo "no Python from 3.10 to 3.13 was found: install one, or name it with 'make PYTHON=/path/to/python3.12'." >&2; \
	  exit 2; fi
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(VENV)/bin/python setup.cfg $(CONSTRAINTS)
	$(INSTALL) -e .
	$(COMPILE)
	touch $@

# what all targets need, in one installation: faster than one for each
environment: $(VENV)/bin/python
	$(INSTALL) -e ".[test,dev,docs]"
	$(COMPILE)
	touch $(VENV)/installed $(VENV)/tested $(VENV)/linted $(VENV)/documented

$(VENV)/tested: $(VENV)/installed
	$(INSTALL) -e ".[test]"
	touch $@

$(VENV)/linted: $(VENV)/tested
	$(INSTALL) -e ".[test,dev]"
	touch $@

$(VENV)/documented: $(VENV)/installed
	$(INSTALL) -e ".[docs]"
	touch $@
