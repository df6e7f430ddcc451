# `make` alone explains itself. Needs Python 3.11 or newer, nothing else.

PYTHON ?= python3
PORT ?= 8000
PROCESSES ?= 2
ARGS ?=

BIN := .venv/bin
# A killed make must leave nothing running either.
EMBEDDED := $(BIN)/python -m booking_site.embedded --ends-with-parent
INSTALLED := .venv/.installed
CHROMIUM ?= chromium
# What makemigrations says when there is no database to compare with; it needs none.
NO_DATABASE := ignore:Got an error checking a consistent migration history:RuntimeWarning

# Permits what production refuses, e.g. starting without secrets.
export DEVELOPMENT := 1
export CHROMIUM

.DEFAULT_GOAL := help
.PHONY: help run test test-browser stampede fuzz timing bench growth memory lint fix shell migrations pins audit sbom

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | while IFS='|' read -r name text; do printf '%-22s%s\n' "$$name" "$$text"; done

# Recipes of servers end in one simple command, which make runs without a shell:
# then a signal to make reaches it.
run: $(INSTALLED) ## Serve with demo data on http://127.0.0.1:8000 (or PORT=8123)
	@$(EMBEDDED) --data .data '--needs-port=$(PORT)' -- $(BIN)/python manage.py run_site '--port=$(PORT)'

test: $(INSTALLED) ## Run every test that needs no browser, by 2 PROCESSES (ARGS go to pytest)
	@case '$(PROCESSES)' in auto) ;; ''|*[!0-9]*|0*|???*) echo "PROCESSES must be a number from 1 to 99, or auto: make test PROCESSES=2" >&2; exit 1 ;; esac
	@$(EMBEDDED) -- $(BIN)/python -m pytest --ignore=tests/browser --numprocesses $(PROCESSES) --dist loadfile $(ARGS)

test-browser: $(INSTALLED) ## Run the browser tests (needs chromium)
	@command -v "$$CHROMIUM" >/dev/null || { echo "The browser tests need Chromium: apt-get install chromium, or set CHROMIUM to its path." >&2; exit 1; }
	@$(EMBEDDED) -- $(BIN)/python -m pytest tests/browser $(ARGS)

stampede: $(INSTALLED) ## Break servers under load, and judge: ARGS="--users 200 --faults all"
	@$(BIN)/python -m benchmarks.stampede $(ARGS)

fuzz: $(INSTALLED) ## Send 100,000 hostile requests to a server of its own (ARGS="--seed 2")
	@$(EMBEDDED) -- $(BIN)/python -m benchmarks.fuzz_http $(ARGS)

timing: $(INSTALLED) ## Measure whether logins and resets tell who has an account
	@$(EMBEDDED) -- $(BIN)/python -m benchmarks.login_timing

bench: $(INSTALLED) ## Measure speed with wrk: ARGS="--only W2a,W3 --seconds 5"
	@$(EMBEDDED) --durable -- $(BIN)/python -m benchmarks $(ARGS)

growth: $(INSTALLED) ## Measure speed at 10 thousand, 1 and 10 million seats, with wrk
	@$(EMBEDDED) --durable -- $(BIN)/python -m benchmarks.growth $(ARGS)

memory: $(INSTALLED) ## Measure what workers have in memory after 100,000 requests, with wrk
	@$(EMBEDDED) -- $(BIN)/python -m benchmarks.memory $(ARGS)

lint: $(INSTALLED) ## Check style, types, import directions, migrations and the API's schema
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -W "$(NO_DATABASE)" manage.py makemigrations --check --dry-run
	@$(BIN)/python manage.py spectacular --validate --fail-on-warn --file /dev/null

fix: $(INSTALLED) ## Repair what ruff can repair
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

shell: $(INSTALLED) ## Open a Python shell on the data of `make run`
	@$(EMBEDDED) --data .data -- $(BIN)/python manage.py shell

migrations: $(INSTALLED) ## Write migrations for changed models
	@$(BIN)/python -W "$(NO_DATABASE)" manage.py makemigrations

pins: $(INSTALLED) ## Compile requirements/*.in to pinned, hashed *.txt
	@$(BIN)/uv pip compile $(PINS_OPTIONS) requirements/base.in --output-file requirements/base.txt
	@$(BIN)/uv pip compile $(PINS_OPTIONS) requirements/sentry.in --output-file requirements/sentry.txt
	@$(BIN)/uv pip compile $(PINS_OPTIONS) requirements/dev.in --output-file requirements/dev.txt

audit: $(INSTALLED) ## Look up every pinned package among the known vulnerabilities
	@$(BIN)/python .ci/audit requirements/dev.txt

sbom: $(INSTALLED) ## Print what a production server runs, as CycloneDX
	@$(BIN)/cyclonedx-py requirements --output-reproducible --pyproject pyproject.toml requirements/base.txt

PINS_OPTIONS := --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url

# Written last, so an interrupted installation is begun anew.
$(INSTALLED): requirements/dev.txt
	@test -w . || { echo "The folder $(CURDIR) is not writable: clone into one that is." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "This needs Python 3.11 or newer: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) has no venv module: apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing the packages of requirements/dev.txt into .venv; this takes a minute or two, once."
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python requirements/install.py requirements/dev.txt
	@touch $@
