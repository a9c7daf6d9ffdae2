# `make help` lists the targets. What a machine lacks is installed beside it, in a cache: nothing has to be installed by hand.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
ENV ?= local
UPSTREAM ?= upstream/main
MODEL ?= car-loan
BASE ?= HEAD
REQUESTS ?= 20000
MINUTES ?= 60
SHARE ?= 0.5
PAGE ?= docs/reliability.md
export CLUSTER CONFIRM KUBE_CONTEXT PORT_OFFSET REGISTRY
TOOLCHAIN := .venv/bin/python -m toolchain
WITH_TOOLS := PATH="$${REALTIME_ML_CACHE:-$${XDG_CACHE_HOME:-$$HOME/.cache}/realtime-ml}/bin:$$PATH"

.PHONY: $(shell sed -n 's/^\([a-z0-9-]*\):.*\#\#.*/\1/p' $(firstword $(MAKEFILE_LIST)))

help: ## list the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 18

up: .venv/ready ## bring up the local stack and score a request (KUBE_CONTEXT=... for a cluster that you have); ENV=dev for one on AWS
	@$(TOOLCHAIN) up --env $(ENV)

preview: .venv/ready ## show what `make up` would change; ENV=prod for the plan of another environment
	@$(TOOLCHAIN) preview --env $(ENV)

rehearse: .venv/ready ## try ENV=dev, staging or prod without an account: real Pulumi, Kubernetes and Karpenter, simulated AWS
	@$(TOOLCHAIN) rehearse --env $(ENV)

policy: build/policy/ready ## make the policy pack's own environment, for `pulumi preview --policy-pack infra/policy`

outputs: .venv/ready ## print the stack's outputs as JSON
	@$(TOOLCHAIN) outputs

demo: .venv/ready ## the whole loop on the local stack, in at most 12 minutes: drift, alert, retraining, gate, swap, recovery
	@PYTHONPATH=services $(TOOLCHAIN) demo

retrain: .venv/ready ## retrain a model of the local stack now: MODEL=car-loan
	@$(TOOLCHAIN) retrain --model $(MODEL)

validate-model: .venv/ready ## judge a changed recipe on the shipped data: MODEL=car-loan, against BASE=HEAD
	@PYTHONPATH=services $(TOOLCHAIN) validate-model --model $(MODEL) --base $(BASE)

new-model: .venv/ready ## make a model from a template and add it to the local stack: NAME=...
	@$(TOOLCHAIN) new-model --name '$(NAME)'

destroy: .venv/ready ## take the stack away; ENV=prod asks for CONFIRM=prod
	@$(TOOLCHAIN) destroy --env $(ENV)

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

bootstrap-state: .venv/ready ## make a bucket for the state of ENV=dev and a key for its secrets, in its account; DRY_RUN=1 only shows
	@$(TOOLCHAIN) bootstrap-state --env $(ENV) $(if $(DRY_RUN),--dry-run)

stack: .venv/ready ## make the stack of ENV=dev where PULUMI_BACKEND_URL says, its secrets by PULUMI_SECRETS_PROVIDER
	@$(TOOLCHAIN) stack --env $(ENV)

init-fork: .venv/ready ## give a fork its name: NAME=... ORG=...; DRY_RUN=1 lists what would change
	@$(TOOLCHAIN) init-fork --name '$(NAME)' --org '$(ORG)' $(if $(DRY_RUN),--dry-run)
	$(if $(DRY_RUN),,@$(MAKE) --no-print-directory snapshots)

merge-upstream: ## merge the blueprint's UPSTREAM=upstream/main into a fork; in a fork's own files its own lines stay
	git -c merge.fork.driver='git merge-file -q --ours %A %O %B' merge --no-edit $(UPSTREAM)
	@echo "merged; next: read the upgrade notes in CHANGELOG.md, then make snapshots docs test"

test: lint test-unit test-engine test-e2e ## everything, fastest first

test-unit: .venv/ready ## the inner loop
	.venv/bin/pytest -m "not engine and not e2e" -n 2 -q

test-engine: tools ## real programs: the Pulumi CLI against a real API server, services as processes
	$(WITH_TOOLS) .venv/bin/pytest -m "engine and not alone" -n 2 --dist loadfile -q --durations 10
	$(WITH_TOOLS) .venv/bin/pytest -m "engine and alone" -q

fuzz: tools ## 20,000 requests made from the OpenAPI document of each service: REQUESTS=20000
	PATH="$${REALTIME_ML_CACHE:-$${XDG_CACHE_HOME:-$$HOME/.cache}/realtime-ml}/bin:$$PATH" FUZZ_REQUESTS=$(REQUESTS) .venv/bin/pytest tests/services/test_fuzz.py tests/services/scoring/process/test_fuzz.py -q

test-e2e: tools ## the whole stack on an embedded cluster of its own, and the tutorial beside it on another; then a soak
	@$(MAKE) --no-print-directory -j2 --output-sync=target e2e-stack e2e-tutorial
	.venv/bin/pytest -m e2e tests/e2e/test_soak.py -q

# Most of both is waiting, and both take as long. The soak measures a capacity first, and wants the machine to itself.
.PHONY: e2e-stack e2e-tutorial
e2e-stack:
	.venv/bin/pytest -m e2e tests/e2e $(foreach file,tutorial gradual soak,--ignore tests/e2e/test_$(file).py) -q --durations 20

e2e-tutorial:
	.venv/bin/pytest -m e2e tests/e2e/test_tutorial.py tests/e2e/test_gradual.py -q --durations 20

reliability: tools ## break the running stack in twelve ways and write down what it costs: docs/reliability.md
	.venv/bin/pytest -m e2e -q tests/e2e/test_reliability.py
	.venv/bin/python -m toolchain.reference.reliability

soak: .venv/ready ## load the running stack for MINUTES=60 at SHARE=0.5 of its capacity: does anything grow, is anything lost: docs/reliability.md
	@PYTHONPATH=services .venv/bin/python -m benchmarks.soak --minutes $(MINUTES) --share $(SHARE)
	@$(if $(PAGE),.venv/bin/python -m toolchain.reference.reliability)

lint: .venv/ready ## formatting, lint and types
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy infra monitoring toolchain services models benchmarks tests

docs: .venv/ready ## write docs/reference/ from the code
	PYTHONPATH=services .venv/bin/python -m toolchain.reference.pages

site: .venv/ready ## build the documentation's site into build/site; a broken link fails it
	@NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict

snapshots: .venv/ready ## write tests/infra/snapshots/ from the code: every environment in full
	UPDATE_SNAPSHOTS=1 .venv/bin/pytest tests/infra/test_snapshot.py -q

audit: .venv/ready ## ask what is known against the packages of every lock file; fails where nobody could be asked
	@$(TOOLCHAIN) audit

sbom: .venv/ready ## write what is in each service's image into build/sbom, in CycloneDX
	@$(TOOLCHAIN) sbom

lock: .venv/ready ## pin what the .in files ask for
	.venv/bin/uv pip compile -q --custom-compile-command "make lock" --python-version 3.11 requirements.txt requirements-dev.in -o requirements-dev.lock --no-emit-package realtime-ml
	for service in drift scoring retraining; do .venv/bin/uv pip compile -q --custom-compile-command "make lock" --python-version 3.11 --generate-hashes -c requirements-dev.lock services/$$service/requirements.in -o services/$$service/requirements.lock; done
	for lock in benchmarks/serving/requirements/*.in; do .venv/bin/uv pip compile -q --custom-compile-command "make lock" --python-version 3.11 $$lock -o $${lock%.in}.txt; done

bench-serving: .venv/ready ## measure scoring beside other servers (ONLY=fastapi,scoring_log_off SECONDS=5 ROUNDS=1 for a part of it)
	@.venv/bin/python -m benchmarks.serving $(if $(ONLY),--only $(ONLY)) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(ROUNDS),--rounds $(ROUNDS))

ramp: .venv/ready ## load the local stack with 1 to 10 times and back, 12 minutes: do the pods follow (BASE_RATE=50 HOLD=60 REST=60 to try)
	@PYTHONPATH=services .venv/bin/python -m benchmarks.ramp $(if $(BASE_RATE),--base $(BASE_RATE)) $(if $(HOLD),--hold $(HOLD)) $(if $(REST),--rest $(REST))

bench-drift: .venv/ready ## measure drift beside NannyML's bare calls, on one process and on Dask (ROWS=1e5,1e7 ONLY=bare,process for a part of it)
	@PYTHONPATH=services .venv/bin/python -m benchmarks.drift $(if $(ROWS),--rows $(ROWS)) $(if $(ONLY),--only $(ONLY))

bench-training: .venv/ready ## measure training in one process and on Dask, time, memory and quality (ROWS=1e5,1e7 ONLY=process_1,dask_2 for a part of it)
	@PYTHONPATH=services .venv/bin/python -m benchmarks.training $(if $(ROWS),--rows $(ROWS)) $(if $(ONLY),--only $(ONLY))

clean-cache: ## drop every tool, package and image layer
	rm -rf "$${REALTIME_ML_CACHE:-$${XDG_CACHE_HOME:-$$HOME/.cache}/realtime-ml}"

# The policy SDK wants other packages than the program's SDK: infra/policy/__init__.py.
build/policy/ready: .venv/ready infra/policy/requirements.txt
	.venv/bin/uv venv -q --clear build/policy
	.venv/bin/uv pip install -q --python build/policy/bin/python -r infra/policy/requirements.txt
	@touch $@

# Debian parts venv from Python; the one package that may be missing is named or, for root, installed.
.venv/ready: requirements.txt requirements-dev.lock pyproject.toml
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv || { \
	  test "$$(id -u)" = 0 && command -v apt-get >/dev/null && apt-get update -q && apt-get install -qy --no-install-recommends python3-venv && $(PYTHON) -m venv --clear .venv; } || { \
	  echo "make: python3 has no venv module; install python3-venv (Debian) or set PYTHON to one that has it" >&2; exit 1; }
	.venv/bin/pip install -q --disable-pip-version-check uv==0.13.9
	.venv/bin/uv pip sync -q --compile-bytecode --python .venv/bin/python requirements-dev.lock
	.venv/bin/uv pip install -q --python .venv/bin/python --no-deps -e .
	@touch $@
