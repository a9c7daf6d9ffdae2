# `make help` lists the targets. What a machine lacks is installed beside it, in a cache: nothing has to be installed by hand.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
ENV ?= local
export CLUSTER KUBE_CONTEXT PORT_OFFSET REGISTRY
TOOLCHAIN := .venv/bin/python -m toolchain

.PHONY: help up preview outputs destroy clean cluster-up cluster-status cluster-down doctor tools test test-unit test-engine test-e2e lint lock clean-cache

help: ## list the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 18

up: .venv/ready ## bring up the local stack and score a request (KUBE_CONTEXT=... for a cluster that you have)
	@$(TOOLCHAIN) up

preview: .venv/ready ## show what `make up` would change; ENV=prod for the plan of another environment
	@$(TOOLCHAIN) preview --env $(ENV)

outputs: .venv/ready ## print the stack's outputs as JSON
	@$(TOOLCHAIN) outputs

destroy: .venv/ready ## take the stack out of the cluster
	@$(TOOLCHAIN) destroy

clean: .venv/ready ## take the embedded cluster away, with its data
	@$(TOOLCHAIN) clean

cluster-up: .venv/ready ## start the embedded cluster
	@$(TOOLCHAIN) cluster up

cluster-status: .venv/ready ## show what runs and what it takes
	@$(TOOLCHAIN) cluster status

cluster-down: .venv/ready ## stop the embedded cluster; its data stays
	@$(TOOLCHAIN) cluster down

doctor: .venv/ready ## show each tool and how it is had
	@$(TOOLCHAIN) doctor

tools: .venv/ready ## get every tool that is missing
	@$(TOOLCHAIN) tools

test: lint test-unit test-engine test-e2e ## everything, fastest first

test-unit: .venv/ready ## the inner loop
	.venv/bin/pytest -m "not engine and not e2e" -n 2 -q

test-engine: tools ## real programs: the Pulumi CLI against a real API server, services as processes
	PATH="$${REALTIME_ML_CACHE:-$${XDG_CACHE_HOME:-$$HOME/.cache}/realtime-ml}/bin:$$PATH" .venv/bin/pytest -m engine -q

test-e2e: tools ## the whole stack on an embedded cluster of its own
	.venv/bin/pytest -m e2e -q

lint: .venv/ready ## formatting, lint and types
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy infra toolchain services tests

lock: .venv/ready ## pin what the .in files ask for
	.venv/bin/uv pip compile -q --custom-compile-command "make lock" --python-version 3.11 requirements.txt requirements-dev.in -o requirements-dev.lock --no-emit-package realtime-ml
	for service in scoring retraining; do .venv/bin/uv pip compile -q --custom-compile-command "make lock" --python-version 3.11 --generate-hashes -c requirements-dev.lock services/$$service/requirements.in -o services/$$service/requirements.lock; done

clean-cache: ## drop every tool, package and image layer
	rm -rf "$${REALTIME_ML_CACHE:-$${XDG_CACHE_HOME:-$$HOME/.cache}/realtime-ml}"

# Debian parts venv from Python; the one package that may be missing is named or, for root, installed.
.venv/ready: requirements.txt requirements-dev.lock pyproject.toml
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv || { \
	  test "$$(id -u)" = 0 && command -v apt-get >/dev/null && apt-get update -q && apt-get install -qy --no-install-recommends python3-venv && $(PYTHON) -m venv --clear .venv; } || { \
	  echo "make: python3 has no venv module; install python3-venv (Debian) or set PYTHON to one that has it" >&2; exit 1; }
	.venv/bin/pip install -q --disable-pip-version-check uv==0.13.9
	.venv/bin/uv pip sync -q --compile-bytecode --python .venv/bin/python requirements-dev.lock
	.venv/bin/uv pip install -q --python .venv/bin/python --no-deps -e .
	@touch $@
