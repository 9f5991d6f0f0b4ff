# SPDX-License-Identifier: Apache-2.0
# Short names for the scripts and presets. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help demo test check format build sanitize mutants soak parity bench bench-models up clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## Set up, build, analyse a sample clip, make the report
	scripts/demo

test: ## Checks, release build, all tests, a 30-clip soak
	scripts/test

check: ## Formatters and linters; changes nothing
	scripts/setup test
	scripts/check

format: ## Format C++, protos and Python in place
	scripts/setup test
	scripts/format

build: ## Release build of everything
	scripts/setup test
	cmake --preset release
	cmake --build --preset release

sanitize: ## All tests under asan + ubsan, the threaded ones under tsan, fuzz targets for 60 s each
	scripts/sanitize

mutants: ## Break the code in 200 places; nine in ten must fail a test
	scripts/setup mutants
	cmake --preset release
	.deps/mutants/bin/python scripts/mutants.py

soak: build ## 300 different clips through one process, 200 through the set with models; memory must stay flat
	.venv/bin/python tests/soak/soak.py --clips 300
	.venv/bin/python tests/soak/soak.py --models --clips 200

parity: ## Results against published implementations and labelled sets
	scripts/parity

bench: ## Speed against peers in the same run; writes docs/benchmarks.md
	scripts/setup bench
	cmake --preset bench
	cmake --build --preset bench
	.venv/bin/python tests/bench/run.py

bench-models: ## Models against peers in the same run; writes docs/benchmarks.md
	scripts/setup bench
	cmake --preset bench
	cmake --build --preset bench
	build/bench/bin/reelsight models pull --defaults
	.venv/bin/python tests/bench/models.py

up: ## Build and start the orchestrator and its services on this machine
	scripts/setup demo
	cmake --preset release
	cmake --build --preset release --target reelsight reelsight-orchestrator reelsight-lightweight reelsight-detection reelsight-segmentation
	scripts/up

clean: ## Remove what was built; downloads stay
	rm -rf build out
