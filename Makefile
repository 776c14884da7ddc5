# One entry for everything; each target sets up what it needs. Needs Python 3.11+, and Go only where no pulumi is on PATH.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

CLIENTS ?= 1000
RATE ?= 200
STEPS ?= 10,50,100
REPORT ?= report
EDITION ?= ce
STRATEGY ?= two-cluster
SEED ?= 1
SMALL ?= 1000

BIN := .venv/bin
NEWEST := python3.11 python3.12 python3.13 python3.14 python3
# A file stays with one worker, since some tell one story in order; the quick tiers come first (tests/conftest.py says how many workers).
WORKERS := -n logical --dist loadfile --no-loadscope-reorder
RECENT := import sys; sys.exit(sys.version_info < (3, 11))

.PHONY: help setup lock lint test test-loaded unit program provider policy lab kubernetes kubernetes-tools aws demo demo-kubernetes demo-aws bench bench-aws bench-kubernetes bench-strategies bench-migration bench-proof fuzz-migration upgrade-path preview up drift unlock plan comment report changed-stacks new-stack lint-workflows pause resume abort watch bench-preview clean

help:  ## show the targets
	@grep -E '^[a-z -]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 20

setup:  ## make .venv with everything in it, pulumi included
	@for python in $(NEWEST); do \
	  if $$python -c "$(RECENT)" 2>/dev/null; then exec $$python tools/setup.py; fi; \
	done; \
	echo "setup: Python 3.11 or newer is missing: install it (python3.11 and python3.11-venv on Debian) and put it on PATH" >&2; exit 1

lock: setup  ## pin again what requirements.in asks for
	@$(BIN)/uv --version >/dev/null 2>&1 || $(BIN)/python -m pip -q install uv
	$(BIN)/uv pip compile -q --generate-hashes --python-version 3.11 --no-header -o requirements.lock requirements.in

lint: setup  ## style, types, and who may import whom
	@echo "---- lint: ruff"
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@echo "---- lint: types"
	@$(BIN)/mypy
	@cd policies && ../$(BIN)/mypy --config-file ../pyproject.toml __main__.py rules
	@echo "---- lint: imports"
	@PYTHONPATH=policies $(BIN)/lint-imports --no-logo --no-cache

test: TESTS ?=
test: lint kubernetes-tools  ## everything: lint, then all tiers in one run; TESTS (paths) for some of them
	@$(BIN)/python -m pytest $(WORKERS) $(TESTS)

unit program provider policy lab: setup  ## one tier of the tests
	@$(BIN)/python -m pytest -m $@

kubernetes: kubernetes-tools  ## the tier on a real control plane
	@$(BIN)/python -m pytest -m $@

aws: setup  ## the tier on an AWS account of this machine
	@$(BIN)/python -m pytest -m $@

kubernetes-tools: setup  ## build what that needs, once: the control plane and Pulumi's Kubernetes plugin
	@$(BIN)/python tools/get_kubernetes.py control-plane plugin >/dev/null

test-loaded: setup  ## the lab tier with four busy processes beside it: nothing may be judged by the clock
	@exec $(BIN)/python -m tools.loaded $(BIN)/python -m pytest $(WORKERS) -m lab

demo: KINDS ?= mixture
demo: setup  ## blue to green with live devices: CLIENTS, RATE (per second), STEPS, EDITION (ce or ee), KINDS (of client), STRATEGY, REPORT (directory)
	@exec $(BIN)/python -m lab demo --clients '$(CLIENTS)' --rate '$(RATE)' --steps '$(STEPS)' --edition '$(EDITION)' --kinds '$(KINDS)' --strategy '$(STRATEGY)' --report '$(REPORT)'

demo-kubernetes: CLIENTS = 300
demo-kubernetes: KINDS ?= mixture
demo-kubernetes: kubernetes-tools  ## the same on a Kubernetes cluster of this machine, which prints its KUBECONFIG
	@exec $(BIN)/python -m lab demo --on kubernetes --clients '$(CLIENTS)' --rate '$(RATE)' --steps '$(STEPS)' --edition '$(EDITION)' --kinds '$(KINDS)' --strategy '$(STRATEGY)' --report '$(REPORT)'

demo-aws: CLIENTS = 300
demo-aws: KINDS ?= mixture
demo-aws: BALANCER ?= network_load_balancer
demo-aws: setup  ## the same on an AWS account of this machine, which prints its AWS_ENDPOINT_URL; BALANCER (network_load_balancer, or aws: HAProxy on instances)
	@exec $(BIN)/python -m lab demo --on aws --balancer '$(BALANCER)' --clients '$(CLIENTS)' --rate '$(RATE)' --steps '$(STEPS)' --edition '$(EDITION)' --kinds '$(KINDS)' --strategy '$(STRATEGY)' --report '$(REPORT)'

bench-aws: CLIENTS = 2000
bench-aws: RATE = 100
bench-aws: SMALL = 200
bench-aws: setup  ## the figures of a cutover behind a Network Load Balancer, and its calls of AWS: SMALL, CLIENTS, RATE
	@exec $(BIN)/python -m lab bench-aws --small '$(SMALL)' --clients '$(CLIENTS)' --rate '$(RATE)'

bench-kubernetes: SMALL = 250
bench-kubernetes: kubernetes-tools  ## the figures of a cutover on Kubernetes, its requests to the API server, and of a preview: SMALL, CLIENTS
	@exec $(BIN)/python -m lab bench-kubernetes --small '$(SMALL)' --clients '$(CLIENTS)'

bench: CLIENTS = 15000
bench: RATE = 500
bench: KINDS ?= plain
bench: setup  ## the figures of the cutover: SMALL and CLIENTS (the two sizes), RATE, KINDS (of client)
	@exec $(BIN)/python -m lab bench --small '$(SMALL)' --clients '$(CLIENTS)' --rate '$(RATE)' --kinds '$(KINDS)'

bench-strategies: CLIENTS = 2000
bench-strategies: NODE_RATE = 100
bench-strategies: setup  ## same-cluster, the Operator's algorithm, two-cluster and rolling side by side: CLIENTS, NODE_RATE (of each node)
	@exec $(BIN)/python -m lab bench-strategies --clients '$(CLIENTS)' --node-rate '$(NODE_RATE)'

bench-preview: SIZES ?= 1000 60000
bench-preview: setup  ## how long a preview takes beside SIZES clients, against a bare program's in the same run
	@exec $(BIN)/python -m lab bench-preview $(foreach size,$(SIZES),--clients $(size))

bench-migration: setup  ## the figures of the conversion; with LIVE=1 of 100,000 users of a 4.4 lab node that go to a 5.8 one
	@exec $(BIN)/python -m $(if $(LIVE),lab bench-migration,tools.bench_migration)

fuzz-migration: SECONDS = 60
fuzz-migration: setup  ## damaged and hostile inputs for the conversion, for SECONDS from SEED: no traceback, hang or false account
	@exec $(BIN)/python -m tools.fuzz_migration --seconds '$(SECONDS)' --seed '$(SEED)'

upgrade-path: setup  ## the hops FROM=4.2.14 TO=5.8.x, and what each changes in the stack file: EDITION, EDITION_TO
	@exec $(BIN)/python -m tools.upgrade_path --from '$(FROM)' --to '$(TO)' --edition '$(or $(EDITION),ee)' $(if $(EDITION_TO),--edition-to '$(EDITION_TO)')

bench-proof: setup  ## the proof that no permission widens, with a million random decisions
	@exec $(BIN)/python -m tools.bench_proof

preview up drift unlock: STACK ?= dev
preview up drift unlock: setup  ## a stack's preview with policies, its update, whether the world has drifted, a killed update's lock: STACK
	@exec $(BIN)/python -m tools.stack $@ --stack '$(STACK)'

plan: STACK ?= dev
plan: preview  ## the plan of a stack: STACK; also plan/STACK.md and plan/STACK.json
	@cat 'plan/$(STACK).md'

comment: STACK ?= dev
comment: setup  ## the plan as one comment of a pull request, updated in place (in a workflow): STACK
	@exec $(BIN)/python -m tools.comment --stack '$(STACK)'

report: STACK ?= dev
report: setup  ## the report of the newest cutover of a stack, also long after it: STACK
	@exec $(BIN)/python -m tools.report --stack '$(STACK)'

changed-stacks: BASE ?= main
changed-stacks: setup  ## the stacks that a branch changes, as a workflow takes them: BASE
	@exec $(BIN)/python -m tools.stack changed --base '$(BASE)'

new-stack: NAME ?=
new-stack: FROM ?= dev
new-stack: setup  ## copy an environment with fresh secrets: NAME, FROM
	@exec $(BIN)/python -m tools.stack new --name '$(NAME)' --from '$(FROM)'

pause resume abort: STACK ?= dev
pause resume abort: WHY ?=
pause resume abort: setup  ## hold the running update, let it go on, or have it move everybody back: STACK, WHY
	@exec $(BIN)/python -m components.tell $@ --stack '$(STACK)' --why '$(WHY)'

watch: STACK ?= dev
watch: METRICS ?=
watch: setup  ## look at a running update: STACK; METRICS (a port) serves the same numbers for Prometheus
	@exec $(BIN)/python -m components.watch --stack '$(STACK)' $(if $(METRICS),--metrics '$(METRICS)')

lint-workflows: setup  ## judge .github/workflows by actionlint
	@exec $$($(BIN)/python tools/get_actionlint.py)

clean:  ## take away what was made here; the builds in the cache stay
	rm -rf .venv .emqx report .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
