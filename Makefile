# Thin on purpose: each target calls the `gyre` command (include/gyre/cli.py) or pytest. `make help` lists them.
PYTHON ?= python3
VENVS := $(or $(GYRE_VENVS),.venvs)
GYRE := $(VENVS)/stack/bin/python -m gyre.cli
DEV := $(VENVS)/dev/bin
export PYTHONPATH := include
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help up demo status new images test lint format down clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

up: $(VENVS)/stack/.made  ## start everything: databases, S3, Kafka, MLflow, Label Studio, Airflow, Envoy
	@$(GYRE) up

demo: up  ## play a company's data through the whole loop
	@$(GYRE) demo

status: $(VENVS)/stack/.made  ## what runs, and what each use case has come to
	@$(GYRE) status

new: $(VENVS)/stack/.made  ## write the folder of a new model: make new NAME=churn, with LABELS=people if people label it
	@$(GYRE) new "$(NAME)" --labels "$(or $(LABELS),facts)"

images: $(VENVS)/stack/.made  ## build images with Docker or Podman, all or some: make images NAMES="tabular router"
	@$(GYRE) images $(NAMES)

test: $(VENVS)/stack/.made $(VENVS)/dev/.made  ## the whole proof; starts a stack of its own and removes it
	@$(GYRE) env airflow tabular torch mlflow labelstudio && $(DEV)/python -m pytest tests

lint: $(VENVS)/dev/.made  ## style, types, and who may import whom
	@$(DEV)/ruff check . && $(DEV)/ruff format --check . && $(DEV)/mypy && $(DEV)/lint-imports

format: $(VENVS)/dev/.made  ## put the code in its form
	@$(DEV)/ruff check --fix . && $(DEV)/ruff format .

down:  ## stop everything, jobs too
	@test ! -x $(VENVS)/stack/bin/python || $(GYRE) down

clean:  ## stop everything, remove its data and the environments
	@test ! -x $(VENVS)/stack/bin/python || $(GYRE) clean

# `gyre` installs every other environment; these two it cannot: it runs in the one, and tests and linters need only the other
$(VENVS)/%/.made: docker/%/requirements.txt
	@command -v uv >/dev/null || test -x $(VENVS)/uv/bin/uv || { $(PYTHON) -m venv $(VENVS)/uv && $(VENVS)/uv/bin/pip install --quiet uv; }
	@echo "environment $*: installing"
	@PATH="$$PATH:$(abspath $(VENVS))/uv/bin"; test -x $(@D)/bin/python || uv venv --quiet --clear --python $(PYTHON) $(@D)
	@PATH="$$PATH:$(abspath $(VENVS))/uv/bin"; uv pip sync --quiet --compile-bytecode --require-hashes --python $(@D)/bin/python $<
	@printf '#!/bin/sh\nPYTHONPATH="%s/include" exec "%s/bin/python" -m gyre.cli "$$@"\n' "$(CURDIR)" "$(abspath $(@D))" > $(@D)/bin/gyre && chmod +x $(@D)/bin/gyre
	@touch $@
