# Every target prepares what it needs by itself; `make` alone lists them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup demo serve test check format bench lock clean

UV_COMPILE := uv pip compile -q --universal --generate-hashes --python-version 3.11 --no-emit-index-url \
	--no-emit-find-links --prerelease explicit --extra training --extra dev pyproject.toml -o requirements.lock

help: ## Show this list
	@printf 'Usage: make TARGET\n\n'
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: ## Install everything that the demo, the tests and the benches need
	@tools/setup all

demo: ## Build, deliver and prove two models on emulated boards; KEEP=1 leaves the server running
	@tools/setup demo
	@.venv/bin/tinymlaas demo $(if $(filter-out 0,$(KEEP)),--keep)

serve: ## Run the server until Ctrl-C
	@tools/setup demo
	@exec .venv/bin/tinymlaas serve

test: ## Run every test, with pytest's summary at the end; ARGS="tests/unit -x" runs some
	@tools/setup test
	@.venv/bin/pytest $(or $(ARGS),--numprocesses 2 --dist loadfile)

check: ## Lint, check the format, the types and the direction of imports
	@tools/setup python
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

format: ## Format the code and repair what the linter can
	@tools/setup python
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

bench: ## Run every measurement in bench/
	@tools/setup test
	@for script in bench/[!_]*.py; do \
		[ -e "$$script" ] || { echo "There is no script in bench/."; exit 1; }; \
		echo "== $$script"; .venv/bin/python "$$script"; \
	done

lock: ## Resolve pyproject.toml into requirements.lock, with hashes and without addresses
	@[ -x .venv/bin/python ] || tools/setup python
	@mkdir -p .setup
	@[ -x .setup/uv/bin/uv ] || { .venv/bin/python -m venv .setup/uv && .setup/uv/bin/pip install -q uv; }
	@.setup/uv/bin/$(UV_COMPILE)
	@! grep -nE '://|^--|^[^#]*@ ' requirements.lock || { echo "requirements.lock holds an address (above)." >&2; exit 1; }

clean: ## Remove .venv, caches and stamps; data/ stays
	rm -rf .venv .setup dist app/web/vendor .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
