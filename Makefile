# A thin front over scripts/ and the mlx-cluster command. `make help` lists the targets.

MODEL ?=
HOST ?= 127.0.0.1
PORT ?= 8080
ARGS ?=
RANKS ?=
DRAFT ?=
MODELS_DIR ?=

cluster := node bin/mlx-cluster.js

.DEFAULT_GOAL := help
.PHONY: help setup server server-bg server-stop server-restart doctor bootstrap sync verify rdma-test rdma-quick rdma-stress rdma-diag health models queue metrics dashboard models-local models-check models-sync download hw-snap picture cluster-info chat-test kill-all version status monitor top logs generate test test-clients test-full test-native lint format check bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## check the tools, fetch MLX, build everything (does nothing when all is current)
	@scripts/setup.sh

server: ## serve a model: MODEL=<folder, .gguf or id> HOST= PORT= BACKEND= RANKS= DRAFT=<model> ARGS="..."
	@scripts/setup.sh $(if $(MODEL),,model)
	@exec $(cluster) serve $(if $(MODEL),--model $(MODEL)) --host $(HOST) --port $(PORT) $(if $(RANKS),--local-ranks $(RANKS)) $(if $(DRAFT),--draft-model $(DRAFT)) $(ARGS)

server-bg: ## the same in the background; returns when it is ready
	@scripts/setup.sh $(if $(MODEL),,model)
	@$(cluster) up $(if $(MODEL),--model $(MODEL)) --host $(HOST) --port $(PORT) $(if $(RANKS),--local-ranks $(RANKS)) $(if $(DRAFT),--draft-model $(DRAFT)) $(ARGS)

server-stop: ## end the server that server-bg has started
	@$(cluster) down $(ARGS)

server-restart: ## server-stop, then server-bg
	@$(MAKE) --no-print-directory server-stop ARGS=
	@$(MAKE) --no-print-directory server-bg

doctor: ## examine this machine and every host of hostfile.json, and say what to do: MODEL=
	@$(cluster) doctor $(if $(MODEL),--model $(MODEL)) $(ARGS)

bootstrap: ## install this program on the other hosts of hostfile.json
	@scripts/setup.sh
	@$(cluster) bootstrap $(ARGS)

sync: ## copy a model to the other hosts: MODEL=<folder, .gguf or id>
	@$(cluster) sync $(if $(MODEL),--model $(MODEL)) $(ARGS)

download: ## fetch a model and copy it to the other hosts: MODEL=<owner/name> MODELS_DIR= ARGS="--file x.gguf"
	@$(cluster) download $(MODEL) $(if $(MODELS_DIR),--models-dir $(MODELS_DIR)) $(ARGS)

models-local: ## the models on this machine, with their sizes: MODELS_DIR=
	@$(cluster) models $(if $(MODELS_DIR),--models-dir $(MODELS_DIR)) $(ARGS)

models-check: ## whether the other hosts have the same: MODELS_DIR=
	@$(cluster) models --check $(if $(MODELS_DIR),--models-dir $(MODELS_DIR)) $(ARGS)

models-sync: sync ## the same as sync

verify: ## prove that the hosts together answer as this machine alone: MODEL= RANKS=
	@$(cluster) verify $(if $(MODEL),--model $(MODEL)) $(if $(RANKS),--local-ranks $(RANKS)) $(ARGS)

rdma-test: ## check and measure the links between the hosts: RANKS= ARGS="stress --seconds 600"
	@$(cluster) rdma-test $(if $(RANKS),--local-ranks $(RANKS)) $(ARGS)

rdma-quick: ## right sums, latency and bandwidth in seconds
	@$(cluster) rdma-test quick $(if $(RANKS),--local-ranks $(RANKS)) $(ARGS)

rdma-stress: ## all sizes for a minute, every element compared
	@$(cluster) rdma-test stress $(if $(RANKS),--local-ranks $(RANKS)) $(ARGS)

hw-snap: ## hardware and software of every host of hostfile.json
	@$(cluster) doctor --facts $(ARGS)

rdma-diag: doctor ## the same as doctor

ask = @curl --silent --show-error --fail http://$(HOST):$(PORT)

health: ## the server that runs, in a line of JSON
	$(ask)/health

models: ## what it serves
	$(ask)/v1/models

queue: ## who waits there
	$(ask)/queue

cluster-info: ## its ranks and links
	$(ask)/cluster

dashboard: ## open its page in the browser
	@$(cluster) dashboard --url http://$(HOST):$(PORT) $(ARGS)

metrics: ## its counters, as Prometheus reads them
	$(ask)/metrics

chat-test: ## one question to the server that runs
	@$(cluster) generate --url http://$(HOST):$(PORT) --temperature 0 "What is the capital of France?"

kill-all: ## end the server that server-bg has started, at once, with all its ranks on all hosts
	@$(cluster) down --now

version: ## of this program
	@$(cluster) version

status: ## one screen about the server that runs
	@$(cluster) status --url http://$(HOST):$(PORT) $(ARGS)

monitor: ## watch the server that runs, until q
	@$(cluster) monitor --url http://$(HOST):$(PORT) $(ARGS)

top: ## watch the requests of the server that runs, until q
	@$(cluster) top --url http://$(HOST):$(PORT) $(ARGS)

logs: ## follow the log of the server that runs and all its ranks, until Ctrl-C
	@$(cluster) logs --follow --url http://$(HOST):$(PORT) $(ARGS)

generate: ## ask the server that runs: PROMPT="..."
	@$(cluster) generate --url http://$(HOST):$(PORT) $(ARGS) "$(PROMPT)"

test: ## set up, then run every test once
	@scripts/setup.sh test
	@node scripts/test.js

test-full: ## long tests of a real server: 20 kills of a rank, soak, 1,000 streams, hostile requests; writes docs/test-full.md
	@scripts/setup.sh
	@node scripts/test-full.js

test-clients: ## real clients and frameworks of pinned versions against a real server
	@scripts/setup.sh
	@node scripts/test-clients.js

picture: ## docs/images/dashboard.png: two ranks under load, seen by the browser test
	@scripts/setup.sh model
	@TAP_TIMEOUT=300 MLX_CLUSTER_PICTURE=docs/images/dashboard.png node dist/ts/serve-dashboard.test.js

test-native: ## the kernels under the address and undefined-behaviour sanitizers
	@scripts/setup.sh
	@$(MAKE) --no-print-directory -C crates/mlx-jaccl-rs/shim/test asan

bench: ## our speed beside mlx-lm's, and the server's own cost: ARGS="--llama-bench <path>" adds llama.cpp
	@scripts/setup.sh model
	@node dist/bench/decode.js
	@node dist/bench/overhead.js --rounds 3
	@node dist/bench/memory.js || true
	@node dist/bench/speculate.js --rounds 5
	@node dist/bench/compare.js --rounds 1 --mlx-prompt 128 $(ARGS)

lint: ## types, import rules, style, dead code, clippy
	@scripts/setup.sh
	@node_modules/.bin/tsc -b
	@node_modules/.bin/oxlint ts bench scripts
	@node_modules/.bin/biome format .
	@node_modules/.bin/knip
	@cargo fmt --check
	@cargo clippy --quiet --release --target $$(rustc -vV | sed -n 's/^host: //p') -- -D warnings

format: ## write the house style
	@node_modules/.bin/biome format --write .
	@cargo fmt

check: lint test ## what CI runs

clean: ## remove what was built (not MLX, not the models)
	rm -rf dist target .cache/native.stamp .cache/typescript.stamp
	rm -f crates/mlx-jaccl-rs/*.node crates/mlx-jaccl-rs/*.so crates/mlx-jaccl-rs/*.dylib crates/mlx-jaccl-rs/index.js
