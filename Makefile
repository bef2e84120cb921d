# All packages are installed inside the checkout: .venv (pipenv, Pipfile.lock) and node_modules (npm, package-lock.json).
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
ENV ?= local
VENV := .venv
CLIENTS := build/clients
RUN := $(VENV)/bin/python
CHECKOV := tests/checkov
# jsii warns about every Node.js newer than itself; tools/machine.py checks the version instead.
export JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION := 1
export CHECKPOINT_DISABLE := 1
export PIPENV_VERBOSITY := -1
export PIPENV_NOSPIN := 1

.PHONY: help demo up down synth plan module deploy smoke destroy test clients check fuzz format compat wheel release lock prices docs images setup clean

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

plan: setup ## show what a deploy of ENV would change, and save the plan; OFFLINE=1: a first deploy, without an AWS account
	@$(RUN) -m $(if $(OFFLINE),tools.offline,tools.plan) $(ENV)

module: setup ## write ENV as a Terraform module to build/modules/tollgate-ENV, or to DIR
	@$(RUN) -m constructs_lib.terraform_module $(ENV) $(or $(DIR),build/modules/tollgate-$(ENV))

deploy: setup ## deploy ENV
	@$(RUN) -m tools.cdktf deploy $(ENV) $(if $(YES),--auto-approve)

smoke: setup ## call the deployed ENV with a temporary key and print a checklist; CONSUMER=NAME and MODEL=NAME choose
	@$(VENV)/bin/tollgate --env $(ENV) smoke $(if $(CONSUMER),--consumer $(CONSUMER)) $(if $(MODEL),--model $(MODEL))

destroy: setup ## destroy ENV
	@$(RUN) -m tools.cdktf destroy $(ENV) $(if $(YES),--auto-approve)

test: setup $(VENV)/checkov/.ready $(CLIENTS)/sdks/.ready check ## run all checks and tests: format, lint, types, unit, synth, plan, end to end
	@$(RUN) -m pytest --numprocesses 2 --dist loadscope

clients: setup $(CLIENTS)/.ready ## run Codex, Claude Code, LangChain and others against a deployment; CLIENT=WORD: some, WRITE=1: update docs
	@$(RUN) -m tests.clients $(CLIENT) $(if $(WRITE),--write)

check: setup ## check format, lint and types
	@$(VENV)/bin/ruff format --check --quiet . || { echo "not formatted: run make format"; exit 1; }
	@$(VENV)/bin/ruff check --quiet .
	@$(VENV)/bin/mypy --no-error-summary

fuzz: setup ## send random input to every reader for SECONDS (600), from SEED (random); not part of `make test`
	@$(RUN) -m tests.fuzz all "$(SEED)" $(or $(SECONDS),600)

format: setup ## format the code
	@$(VENV)/bin/ruff format .
	@$(VENV)/bin/ruff check --fix --quiet .

compat: setup ## synthesize with AWS provider 6 and with the CDKTF fork, and compare
	@$(RUN) -m tools.compat

wheel: setup ## build the package that other projects install, into dist
	@$(RUN) -m hatchling build --target wheel

release: setup ## build the files of a release in dist: wheel, ENV as a module, bill of materials, checksums
	@$(RUN) -m tools.release $(ENV)

lock: $(VENV)/.pipenv ## update the lock files of the Python and Node packages
	@VIRTUAL_ENV="$(CURDIR)/$(VENV)" $(VENV)/bin/pipenv lock
	@$(RUN) -m tools.machine index-free Pipfile.lock
	@PIPENV_PIPFILE=$(CHECKOV)/Pipfile VIRTUAL_ENV="$(CURDIR)/$(VENV)" $(VENV)/bin/pipenv lock
	@$(RUN) -m tools.machine index-free $(CHECKOV)/Pipfile.lock
	@PIPENV_PIPFILE=tests/clients/Pipfile VIRTUAL_ENV="$(CURDIR)/$(VENV)" $(VENV)/bin/pipenv lock
	@$(RUN) -m tools.machine index-free tests/clients/Pipfile.lock
	@npm install --package-lock-only --no-fund --no-audit
	@cd tests/clients && npm install --package-lock-only --no-fund --no-audit

prices: setup ## bring new prices: update their sources, regenerate the price table, print what changes; OFFLINE=1: pinned sources
	@$(if $(OFFLINE),,$(RUN) -m tools.prices.sources && $(MAKE) --no-print-directory setup)
	@$(RUN) -m tools.prices

docs: setup ## regenerate the reference pages in docs
	@$(RUN) -m constructs_lib.settings schema
	@$(RUN) -m constructs_lib.monitoring_page
	@$(RUN) -m constructs_lib.errors_page
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

# Clients of the gateway: the official Node.js SDKs for `make test`, and everything else for `make clients`.
$(CLIENTS)/sdks/.ready: tests/clients/package-lock.json
	@echo "installing Node.js SDKs from tests/clients/package-lock.json"
	@mkdir -p $(@D) && cp tests/clients/package.json tests/clients/package-lock.json tests/clients/.npmrc $(@D)
	@cd $(@D) && npm ci --omit=dev --ignore-scripts --no-fund --no-audit --loglevel=error
	@touch $@

# Claude Code's binary is in a package of its own; install.cjs only links it.
$(CLIENTS)/node/.ready: tests/clients/package-lock.json
	@echo "installing Node.js clients from tests/clients/package-lock.json (1 GB, about a minute)"
	@mkdir -p $(@D) && cp tests/clients/package.json tests/clients/package-lock.json tests/clients/.npmrc $(@D)
	@cd $(@D) && npm ci --ignore-scripts --no-fund --no-audit --loglevel=error
	@cd $(@D) && node node_modules/@anthropic-ai/claude-code/install.cjs
	@touch $@

$(CLIENTS)/python/.ready: tests/clients/Pipfile.lock $(VENV)/.pipenv
	@echo "installing Python clients from tests/clients/Pipfile.lock (about a minute)"
	@$(PYTHON) -m venv $(@D)
	@PIPENV_PIPFILE=tests/clients/Pipfile VIRTUAL_ENV="$(CURDIR)/$(@D)" $(VENV)/bin/pipenv sync >build.log 2>&1 || { cat build.log; exit 1; }
	@rm -f build.log
	@touch $@

$(CLIENTS)/.ready: $(CLIENTS)/sdks/.ready $(CLIENTS)/node/.ready $(CLIENTS)/python/.ready
	@touch $@
