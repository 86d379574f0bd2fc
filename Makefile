# Every target sets up .venv first; it needs Python 3.11 or newer, make and a package index.
.DEFAULT_GOAL := help
.PHONY: help setup demo test coverage thorough check format docs bench e2e browser torture lock clean

BIN := .venv/bin

help: ## show this help
	@grep -E '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: ## create .venv with everything for development
	@scripts/setup dev

demo: ## run Ticktrail on recorded executions; no configuration needed
	@scripts/setup run
	@$(BIN)/ticktrail demo

test: setup ## run the tests, except thorough, e2e and browser
	@$(BIN)/pytest -q -n auto --dist worksteal -m "not e2e and not browser and not thorough" $(ARGS)

# Measuring loads sqlite3 in every process, so the two tests of what loading costs are left out.
coverage: setup ## run the tests and print the branch coverage of each module
	@$(BIN)/pytest -q -n auto --dist worksteal -m "not e2e and not browser and not thorough" --cov --cov-report=term -k "not loads_no_driver and not drivers_load" $(ARGS)

thorough: setup ## run the slowest tests
	@$(BIN)/pytest -q -n auto --dist worksteal -m thorough $(ARGS)

check: setup ## check format, lint, types, layers and generated docs
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@for script in scripts/*; do head -1 $$script | grep -q python || sh -n $$script || exit 1; done
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(BIN)/cog --check --diff --check-fail-msg="Type: make docs" README.md docs/*.md
	@$(BIN)/pytest -q -p no:randomly tests/unit/test_imports.py tests/unit/test_docs.py

format: setup ## fix format and lint
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

docs: setup ## regenerate the generated parts of the docs
	@$(BIN)/cog -r README.md docs/*.md

bench: setup ## run the benchmarks: ratios against a baseline in the same run
	@$(BIN)/python -m benchmarks $(ARGS)

e2e: setup ## test against a real n8n, which is installed into a cache
	@$(BIN)/pytest -q -p no:randomly -m e2e tests/e2e $(ARGS)

browser: setup ## test the dashboard in Chromium, installed if missing (Debian, as root)
	@scripts/browser || echo "Without a browser these tests are skipped."
	@$(BIN)/pytest -q -p no:randomly -n 2 --dist loadfile -m browser tests/browser $(ARGS)

torture: setup ## kill commands at random moments while n8n and the store misbehave; ARGS="--runs 1000"
	@$(BIN)/python -m tests.torture $(ARGS)

lock: setup ## resolve the dependencies and write the lock files
	@scripts/lock

clean: ## remove everything that the other targets created
	@rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
