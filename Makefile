# Every target does its own set-up: Python 3.11 or newer, make and the network to the package index are enough.
.DEFAULT_GOAL := help
.PHONY: help setup demo test thorough check format docs bench e2e browser torture lock clean

BIN := .venv/bin

help: ## show this list
	@grep -E '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: ## make .venv with everything for development
	@scripts/setup dev

demo: ## run the whole path on recorded executions, no configuration needed
	@scripts/setup run
	@$(BIN)/ticktrail demo

test: setup ## run the tests (not the slowest, nor those against a real n8n or browser)
	@$(BIN)/pytest -q -n auto --dist worksteal -m "not e2e and not browser and not thorough" $(ARGS)

thorough: setup ## run the slowest tests
	@$(BIN)/pytest -q -n auto --dist worksteal -m thorough $(ARGS)

check: setup ## format, lint, types, import direction, docs up to date
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/cog --check --diff --check-fail-msg="Type: make docs" README.md docs/*.md
	@$(BIN)/pytest -q -p no:randomly tests/unit/test_imports.py tests/unit/test_docs.py

format: setup ## mend what the formatter and the linter can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

docs: setup ## write the generated parts of the docs anew
	@$(BIN)/cog -r README.md docs/*.md

bench: setup ## measure, as ratios against plain baselines in the same run
	@$(BIN)/python -m benchmarks $(ARGS)

e2e: setup ## run the tests against a real n8n, which they install into a cache of their own
	@$(BIN)/pytest -q -p no:randomly -m e2e tests/e2e $(ARGS)

browser: setup ## walk the dashboard in a real browser, which is installed where that is allowed
	@scripts/browser || echo "Without a browser these tests are skipped."
	@$(BIN)/pytest -q -p no:randomly -m browser tests/browser $(ARGS)

torture: setup ## kill syncs at random moments while n8n and the store misbehave; ARGS="--runs 1000"
	@$(BIN)/python -m tests.torture $(ARGS)

lock: setup ## resolve the dependencies anew
	@scripts/lock

clean: ## remove what the other targets made
	@rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
