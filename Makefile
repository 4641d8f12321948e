# Everything here makes its own environment first: Python 3.11 is all that must be there.
SHELL := /bin/bash
VENV := .venv
PYTHON ?= $(shell for p in python3.11 python3 python python3.10; do \
	v=$$($$p -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null); \
	if [ "$$v" = 3.11 ] || [ "$$v" = 3.10 ]; then echo $$p; exit; fi; done)
RUN := $(VENV)/bin
# modules are compiled when they are first imported: compiling all of them takes a minute
unexport PYTHONDONTWRITEBYTECODE
INSTALL := $(RUN)/python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt
# strings of dgl with invalid escapes are errors where warnings are, as in the tests
COMPILE_DGL := $(RUN)/python -W ignore -m compileall -q $(VENV)/lib/python3.*/site-packages/dgl
# two workers with one thread each, which tests/conftest.py sets
PARALLEL := --numprocesses 2 --dist worksteal
SPHINX := $(RUN)/python -m sphinx -q --nitpicky --fail-on-warning --keep-going -d docs/_build/trees

.PHONY: environment demo test test-all lint bench docs docs-links figures size clean

demo: $(VENV)/installed
	rm -rf runs/demo
	$(RUN)/scgnn-recipe run scgnn --labels-key group --out runs/demo

test: $(VENV)/tested
	$(RUN)/python -m pytest $(PARALLEL)

test-all: $(VENV)/tested
	$(RUN)/python -m pytest $(PARALLEL) -m "slow or not slow" --hypothesis-profile=other

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
	rm -rf $(VENV) runs build *.egg-info docs/_build docs/components

$(VENV)/bin/python:
	@if [ -z "$(PYTHON)" ]; then \
	  echo "scgnn needs Python 3.11 (or 3.10): dgl 1.1.3 has no build for any newer; install it, or name it with 'make PYTHON=/path/to/python3.11'." >&2; \
	  exit 2; fi
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(VENV)/bin/python setup.cfg constraints.txt
	$(INSTALL) -e .
	$(COMPILE_DGL)
	touch $@

# what all targets need, in one installation: faster than one for each
environment: $(VENV)/bin/python
	$(INSTALL) -e ".[test,dev,docs]"
	$(COMPILE_DGL)
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
