# All packages are installed inside the checkout: .venv (pipenv, Pipfile.lock) and node_modules (npm, package-lock.json).
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
ENV ?= local
VENV := .venv
RUN := $(VENV)/bin/python
CHECKOV := tests/checkov
# jsii warns about every Node.js newer than itself; tools/machine.py checks the version instead.
export JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION := 1
export CHECKPOINT_DISABLE := 1
export PIPENV_VERBOSITY := -1
export PIPENV_NOSPIN := 1

.PHONY: help demo up down synth plan deploy destroy test check format compat lock prices docs images setup clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 12
	@echo; echo "ENV=NAME selects environments/NAME.toml (now: $(ENV)). YES=1 deploys and destroys without asking."

demo: setup ## deploy to an embedded cloud, send requests, show errors, costs, an alarm and the reports
	@$(RUN) -m local.demo.main

up: setup ## deploy ENV to an embedded cloud and leave it running
	@$(RUN) -m local.demo.up up $(ENV)

down: setup ## stop what `make up` started
	@$(RUN) -m local.demo.up down

synth: setup ## write Terraform JSON for every environment to cdktf.out
	@$(RUN) main.py

plan: setup ## show what a deploy of ENV would change; OFFLINE=1: a first deploy, without an AWS account
	@$(RUN) -m $(if $(OFFLINE),tools.offline,tools.cdktf diff) $(ENV)

deploy: setup ## deploy ENV
	@$(RUN) -m tools.cdktf deploy $(ENV) $(if $(YES),--auto-approve)

destroy: setup ## destroy ENV
	@$(RUN) -m tools.cdktf destroy $(ENV) $(if $(YES),--auto-approve)

test: setup $(VENV)/checkov/.ready check ## run all checks and tests: format, lint, types, unit, synth, plan, end to end
	@$(RUN) -m pytest --numprocesses 2 --dist loadscope

check: setup ## check format, lint and types
	@$(VENV)/bin/ruff format --check --quiet . || { echo "not formatted: run make format"; exit 1; }
	@$(VENV)/bin/ruff check --quiet .
	@$(VENV)/bin/mypy --no-error-summary

format: setup ## format the code
	@$(VENV)/bin/ruff format .
	@$(VENV)/bin/ruff check --fix --quiet .

compat: setup ## synthesize with AWS provider 6 and with the CDKTF fork, and compare
	@$(RUN) -m tools.compat

lock: $(VENV)/.pipenv ## update the lock files of the Python and Node packages
	@VIRTUAL_ENV="$(CURDIR)/$(VENV)" $(VENV)/bin/pipenv lock
	@$(RUN) -m tools.machine index-free Pipfile.lock
	@PIPENV_PIPFILE=$(CHECKOV)/Pipfile VIRTUAL_ENV="$(CURDIR)/$(VENV)" $(VENV)/bin/pipenv lock
	@$(RUN) -m tools.machine index-free $(CHECKOV)/Pipfile.lock
	@npm install --package-lock-only --no-fund --no-audit

prices: setup ## regenerate constructs_lib/prices.json
	@$(RUN) -m constructs_lib.price_generator

docs: setup ## regenerate the reference pages in docs
	@$(RUN) -m constructs_lib.settings schema
	@$(RUN) -m constructs_lib.monitoring_page
	@$(RUN) -m admin.docs

images: setup ## regenerate the screenshots in docs/images
	@$(RUN) -m tests.images

setup: $(VENV)/.installed node_modules/.ready ## install the packages in the lock files, and the command tollgate

clean: ## delete build output; installed packages stay
	@rm -rf build cdktf.out .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/.pipenv: tools/pipenv.txt
	@$(PYTHON) tools/machine.py check
	@echo "creating $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes --requirement tools/pipenv.txt
	@touch $@

$(VENV)/.ready: Pipfile.lock $(VENV)/.pipenv
	@echo "installing Python packages from Pipfile.lock (about a minute)"
	@VIRTUAL_ENV="$(CURDIR)/$(VENV)" $(VENV)/bin/pipenv sync --dev >build.log 2>&1 || { cat build.log; exit 1; }
	@rm -f build.log
	@touch $@

# An editable install: .venv/bin/tollgate runs from this checkout.
$(VENV)/.installed: pyproject.toml $(VENV)/.ready
	@$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# checkov pins other versions of packages that Tollgate uses, so it gets its own virtual environment.
$(VENV)/checkov/.ready: $(CHECKOV)/Pipfile.lock $(VENV)/.pipenv
	@echo "installing checkov from $(CHECKOV)/Pipfile.lock (about a minute)"
	@$(PYTHON) -m venv $(VENV)/checkov
	@PIPENV_PIPFILE=$(CHECKOV)/Pipfile VIRTUAL_ENV="$(CURDIR)/$(VENV)/checkov" $(VENV)/bin/pipenv sync >build.log 2>&1 || { cat build.log; exit 1; }
	@rm -f build.log
	@touch $@

node_modules/.ready: package-lock.json $(VENV)/.pipenv
	@echo "installing the CDKTF CLI from package-lock.json"
	@npm ci --ignore-scripts --no-fund --no-audit --loglevel=error
	@touch $@
