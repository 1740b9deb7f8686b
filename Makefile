# SPDX-License-Identifier: GPL-3.0-or-later
# Two commands do it all on a fresh Debian or Ubuntu with python3, make and root or sudo: make demo, make test.
SHELL := /bin/bash
export LC_ALL := C.UTF-8
export NO_COLOR := 1

PLAYBOOK := .venv/bin/ansible-playbook -i inventories/sandbox
STAGES := lint unit sanity integration molecule docs

.DEFAULT_GOAL := help
.PHONY: help env demo test $(STAGES) bench sandbox-up sandbox-down lock clean

help: ## this text
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

env: ## system packages, .venv (newest ansible-core), .venv-floor (oldest supported), .collections
	@bash tools/env.sh

demo: sandbox-up ## a maintenance window on the sandbox from end to end, and its report
	$(PLAYBOOK) playbooks/maintenance.yml -e maintenance_reason=demo -e maintenance_watch_seconds=20 -e '{"maintenance_smoke_commands": [{"command": "bank:smoke"}]}'
	@echo && cat "$$(ls -t .sandbox/records/*.txt | head -n 1)"

test: env ## everything that CI checks: lint, unit, sanity, docs, molecule, and beside them integration
	@bash tools/stages.sh "lint unit sanity docs molecule" integration

lint: env ## ruff, mypy, yamllint, ansible-lint, shellcheck, changelog, documentation
	@bash tools/lint.sh

unit: env ## unit tests with both environments, no network
	.venv/bin/pytest tests/unit --hypothesis-profile=ci  # the same examples each time; without it, others each time
	.venv-floor/bin/pytest tests/unit --hypothesis-profile=ci

sanity: env ## ansible-test sanity with both ansible-cores
	@bash tools/sanity.sh

integration: env ## real ansible-playbook runs against real servers on loopback, two test files at a time
	PYTHONHASHSEED=0 .venv/bin/pytest tests/integration --ignore=tests/integration/maintenance -n 2 --dist loadfile  # the seed: names of tests that show sets
	.venv-floor/bin/pytest tests/integration/maintenance  # whole windows; the newest core holds them in molecule

molecule: env ## every scenario below molecule/, in containers (root or sudo)
	@bash tools/molecule.sh test

docs: env ## HTML of the modules, roles and playbooks' documentation, below .cache/docs
	@bash tools/docs.sh

bench: env ## what our modules cost, against the commands they replace
	@for script in tests/benchmarks/bench_*.py; do .venv/bin/python "$$script" || exit; done

sandbox-up: env ## start the sandbox below .sandbox/
	$(PLAYBOOK) playbooks/sandbox.yml -e sandbox_state=present

sandbox-down: env ## stop and remove it
	$(PLAYBOOK) playbooks/sandbox.yml -e sandbox_state=absent

lock: env ## new lock files from requirements/*.in (UPGRADE=1: newest versions)
	@bash tools/lock.sh $(if $(UPGRADE),--upgrade)

clean: ## remove the sandbox, containers, environments and caches that make made here
	@bash tools/clean.sh
