# One door to everything: `make help` lists it. Needs Python >= 3.11 and make, nothing else.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet
DATA   ?= .hocba
MINUTES ?= 15
KILLS  ?= 200
RESOLVE := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate

.PHONY: help setup run demo test lint bench soak docs mutate format lock clean

help:  ## what can be made
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements-dev.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed (PYTHON=...)" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv --clear $(VENV)
	$(PIP) install --require-hashes --only-binary :all: -r requirements-dev.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	touch $@

setup: $(READY)  ## install everything into .venv

run: $(READY)  ## start the service with the demo province in it
	$(BIN)/hocba demo --serve --data-dir $(DATA)

demo: $(READY)  ## walk through the whole line once, then stop
	$(BIN)/hocba demo

test: $(READY)  ## the whole suite, on an embedded PostgreSQL
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(READY)  ## ruff, mypy --strict, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)  ## measure (KIND=http: the whole service, KIND=compliance: a province's reports); see docs/performance.md
	$(BIN)/python -m bench $(KIND)

soak: $(READY)  ## kill and hinder the service for a quarter of an hour; see docs/durability.md
	$(BIN)/python -m bench.soak --minutes $(MINUTES) --kills $(KILLS)

docs: $(READY)  ## write the generated pages and the conformance kit anew
	$(BIN)/python docs/generate.py
	$(BIN)/python -m tests.conformance.build

mutate: $(READY)  ## take the defences out of a copy, one by one: each must turn a test red
	$(BIN)/python -m tests.mutations

format: $(READY)  ## let ruff put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock:  ## resolve the dependencies again (needs uv on the PATH)
	uv pip compile $(RESOLVE) --output-file requirements.lock pyproject.toml
	uv pip compile $(RESOLVE) --group dev --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml

clean:  ## forget the environment (never the data)
	rm -rf $(VENV) build *.egg-info
