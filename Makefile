# `make demo` and `make test` need nothing but Python 3.11 to 3.13 and make; both set up what they use, once.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help demo test check lint types dev bench clean setup lock warehouse docs reference pictures

BIN := .venv/bin
CODE := src orchestration assets resources sensors
UV := $(shell command -v uv 2>/dev/null)

help:  ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort

demo: .venv/.manifest  ## three days of a made-up tenant, from collection to mail
	@$(BIN)/clientlore demo

dev: .venv/.manifest  ## the Dagster UI and its daemon, on loopback
	@$(BIN)/python -m orchestration dev

warehouse: .venv/.manifest  ## build the analysts' database anew and publish it
	@$(BIN)/clientlore warehouse publish

docs: .venv/.manifest  ## the analysts' models, documented by dbt
	@$(BIN)/clientlore warehouse docs

test: .venv/.manifest .venv-library/.ready .venv-duckdb1/.ready  ## every test
	@$(BIN)/python -m pytest -n 3 --dist worksteal --cov $(TEST_ARGS)

check: lint types  ## lint, format, types, layers, definitions

lint: .venv/.manifest
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@$(BIN)/dg check defs

types: .venv/.manifest
	@$(BIN)/mypy

bench: .venv/.manifest  ## what each stage costs, what Dagster adds, 5,000 requests at once, duplicates beside other tools
	@$(BIN)/python -m bench
	@$(BIN)/python -m bench.many_requests
	@$(BIN)/python -m bench.duplicates

reference: .venv/.ready  ## docs/reference, from the code
	@$(BIN)/python -m tools.make_reference

pictures: .venv/.manifest  ## docs/pictures, from the product (needs Chromium)
	@$(BIN)/python -m tools.make_pictures

setup: .venv/.manifest .venv-library/.ready .venv-duckdb1/.ready  ## the environments alone

lock:  ## resolve the dependencies anew (needs uv)
	@$(if $(UV),,$(error `make lock` needs uv: https://docs.astral.sh/uv))
	@$(UV) pip compile pyproject.toml --all-extras --universal --generate-hashes --python-version 3.11 \
	  --no-header --no-annotate --no-emit-index-url -q $(LOCK_ARGS) -o requirements.lock
	@$(UV) pip compile tools/duckdb1.in --universal --generate-hashes --python-version 3.11 \
	  --no-header --no-annotate --no-emit-index-url -q $(LOCK_ARGS) -o tools/duckdb1.lock

clean:  ## the environments and caches; the home .clientlore stays
	@rm -rf .venv .venv-library .venv-duckdb1 dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage*
	@find $(CODE) tests bench tools -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.ready: requirements.lock pyproject.toml
	@./tools/make_venv .venv requirements.lock
	@touch $@

# The dbt project, parsed once: what the definitions show of it, and what its runs start from.
.venv/.manifest: .venv/.ready $(shell find dbt_project -type f)
	@$(BIN)/python -m orchestration prepare
	@touch $@

# DuckDB as analysts have it already: what is published must open there.
.venv-duckdb1/.ready: tools/duckdb1.lock
	@./tools/make_venv .venv-duckdb1 tools/duckdb1.lock alone
	@touch $@

# The library alone, without Dagster: proves that it needs none.
.venv-library/.ready: .venv/.ready tools/library_lock.py
	@mkdir -p .venv-library
	@$(BIN)/python -m tools.library_lock > .venv-library/requirements.lock
	@./tools/make_venv .venv-library .venv-library/requirements.lock
	@touch $@
