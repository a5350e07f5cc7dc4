# Seawall. `make` alone prints this help. Everything sets itself up in .venv at the root of the clone.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
T ?= tests
export SEAWALL_REQUIRE_EXT ?= 1
export CMAKE_BUILD_PARALLEL_LEVEL ?= $(shell nproc 2>/dev/null || echo 2)
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
NATIVE := CMakeLists.txt pyproject.toml $(wildcard native/*.cpp native/*.hpp)

.DEFAULT_GOAL := help
.PHONY: help setup serve test docs lint check check-all bench fuzz format lock clean

help: ## print this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

setup: $(VENV)/.ext ## create .venv and build the native kernel (the other targets do it themselves)

$(VENV)/.deps: locks/build.txt locks/dev.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing pinned dependencies into $(VENV) ..."
	@$(PIP) install --require-hashes --only-binary :all: -r locks/build.txt -r locks/dev.txt
	@touch $@

$(VENV)/.ext: $(VENV)/.deps $(NATIVE)
	@echo "building the native kernel ..."
	@$(PIP) install --no-build-isolation --no-deps --no-index --force-reinstall -e .
	@touch $@

serve: setup ## a running Seawall with a demo bank, a key, and the curl line that gets a BLOCK
	@$(BIN)/seawall demo

test: setup ## all tests that need nothing but this clone (PostgreSQL and Chromium where they are installed); T=path
	@$(BIN)/python -m pytest $(T) -n auto -m "not slow and not kill"

docs: setup ## the documentation as a site, in build/docs
	@$(BIN)/sphinx-build -q -W -n --keep-going -b html docs build/docs

lint: setup ## format, lint, types and import contracts, without a test
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --config importlinter.ini

check: lint ## the quick gate for every commit: lint, fast tests, docs
	@$(BIN)/python -m pytest tests -q -n auto -m "not slow and not kill and not postgresql and not browser and not story"

check-all: ## everything: PostgreSQL, browser, kill rounds, sanitizers, fresh clone; installs Debian packages as root
	@bash .ci/check-all

bench: $(VENV)/.bench ## the benchmarks, small, beside their peers; writes benchmarks/results/
	@$(BIN)/python -m benchmarks all --size small

$(VENV)/.bench: $(VENV)/.ext locks/bench-build.txt locks/bench.txt
	@echo "installing the benchmark peers ..."
	@$(PIP) install --require-hashes --only-binary :all: -r locks/bench-build.txt
	@$(PIP) install --require-hashes --no-build-isolation -r locks/bench.txt
	@touch $@

fuzz: setup ## long fuzzing of every parser (minutes; SECONDS=600)
	@$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),600)

format: setup ## format and mend what ruff can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lock: ## renew the hash-pinned locks (needs uv)
	uv pip compile locks/build.in --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-header -o locks/build.txt
	uv pip compile pyproject.toml --extra postgresql --group dev --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-header -o locks/dev.txt
	uv pip compile pyproject.toml --extra postgresql --extra bench --group dev -c locks/dev.txt --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-header -o locks/bench.txt
	uv pip compile locks/bench-build.in -c locks/build.txt -c locks/bench.txt --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-header -o locks/bench-build.txt

clean: ## remove .venv and build products
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
