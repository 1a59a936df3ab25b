# Every target sets up what it needs. `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := /bin/sh

# The first Python that fits: 3.11, or 3.12 and 3.13 where glibc is at least 2.39 (TensorFlow Data Validation's wheels).
fits := import sys, platform; v = sys.version_info[:2]; glibc = tuple(map(int, platform.libc_ver()[1].split("."))); \
	sys.exit(not (v == (3, 11) or (3, 12) <= v <= (3, 13) and glibc >= (2, 39)))
PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13; do $$p -c '$(fits)' 2>/dev/null && echo $$p && break; done)
venv := .venv
bin := $(venv)/bin

.PHONY: help setup demo test faults test-engines test-cluster test-containers check bench images format compile lock clean

help: ## List the targets.
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 18

setup: $(venv)/.ready ## Make .venv from the lock, with uv if it is there, else with pip.

$(venv)/.ready: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "No fitting Python: install 3.11 (or 3.12, 3.13 where glibc is at least 2.39)."; exit 1; }
	@echo "Setting up $(venv) with $(PYTHON) (a few minutes the first time) …"
	@if command -v uv >/dev/null; then \
		uv venv --quiet --clear --python "$$(command -v $(PYTHON))" $(venv) && \
		VIRTUAL_ENV=$(venv) uv pip sync --quiet --compile-bytecode requirements.lock && \
		VIRTUAL_ENV=$(venv) uv pip install --quiet --no-deps --editable . ; \
	else \
		$(PYTHON) -m venv --clear $(venv) && \
		$(bin)/python -m pip install --quiet --no-deps --requirement requirements.lock && \
		$(bin)/python -m pip install --quiet --no-deps --editable . ; \
	fi
	@touch $@

demo: setup ## Draw the demo videos, run the whole pipeline on them, show the scores.
	$(bin)/reelflow demo

test: setup ## Run the tests.
	$(bin)/python -m pytest

# pytest exits with 5 where no test has the marker.
faults: setup ## Run the long fault tests: steps killed again and again.
	$(bin)/python -m pytest -m faults || [ $$? -eq 5 ]

beam_version := $(shell sed -n 's/^apache-beam==\([0-9.]*\).*/\1/p' requirements.lock)

test-engines: setup ## Run the tests on Prism, which Go builds, and on Flink, whose job server REELFLOW_FLINK_JOB_SERVER_JAR names.
	@if [ -z "$$REELFLOW_PRISM" ] && command -v go >/dev/null; then \
		GOBIN="$(CURDIR)/build/beam" go install github.com/apache/beam/sdks/v2/go/cmd/prism@v$(beam_version) || \
		echo "Go could not build Beam's Prism; its test is skipped."; \
	fi; \
	if [ -z "$$REELFLOW_PRISM" ] && [ -x build/beam/prism ]; then export REELFLOW_PRISM="$(CURDIR)/build/beam/prism"; fi; \
	$(bin)/python -m pytest -m engines -rs

prism := build/prism/node_modules/.bin

test-cluster: setup $(prism)/prism ## Run the tests against KFP's API specification, which REELFLOW_KFP_API_SPEC names.
	PATH="$(CURDIR)/$(prism):$$PATH" $(bin)/python -m pytest -m cluster tests/cluster

$(prism)/prism:
	@command -v npm >/dev/null || { echo "npm is missing: it gets prism, which checks requests against the specification."; exit 1; }
	npm install --prefix build/prism --silent --no-audit --no-fund @stoplight/prism-cli@5.14.2

check: setup ## Lint, types, the Dockerfile, and whether the compiled pipeline is fresh.
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	$(bin)/mypy
	$(bin)/hadolint components/Dockerfile
	$(bin)/reelflow compile --check

bench: setup ## Run the benchmarks: ratios against peers on this machine.
	$(bin)/reelflow bench

# The gpu image is made on demand, `make images TARGETS="cpu gpu"`: CUDA's wheels are several GB.
TARGETS ?= cpu
BASE_IMAGE ?= python:3.13-slim
version = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' components/__init__.py)
code_digest = $(shell $(PYTHON) -c 'from components.contract.code_digest import all_code_digest; print(all_code_digest())')

images: ## Build the steps' image as reelflow:VERSION (the gpu target: reelflow:VERSION-gpu).
	@set -e; for target in $(TARGETS); do \
		case $$target in cpu) tag=$(version);; *) tag=$(version)-$$target;; esac; \
		docker build --file components/Dockerfile --target $$target --tag reelflow:$$tag --build-arg VERSION=$(version) \
			--build-arg BASE_IMAGE=$(BASE_IMAGE) --label reelflow.code=$(code_digest) . ; \
	done

test-containers: setup ## Build the image and run the pipeline in its containers.
	$(bin)/python -m pytest -m containers tests/containers tests/cluster

format: setup ## Format the code and mend what ruff can mend.
	$(bin)/ruff check --fix .
	$(bin)/ruff format .

compile: setup ## Compile the pipeline after a change of a step's signature or of the DAG.
	$(bin)/reelflow compile

lock: ## Resolve the dependencies anew (needs uv).
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--extra steps --extra docker --extra s3 --extra dev pyproject.toml --output-file requirements.lock
	echo 'tensorflow[and-cuda]' | uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header --constraint requirements.lock - | awk '/^[^ ]/ {keep = /^nvidia-/} keep' > components/cuda.lock

clean: ## Remove the environment and the caches; runs stay.
	rm -rf $(venv) .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
