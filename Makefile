# Two environments, so that the one that serves holds no torch: .venv-serve to serve, .venv to develop and train.
PYTHON ?= python3
RUNTIME := $(shell nvidia-smi >/dev/null 2>&1 && echo gpu || echo cpu)
ARGS ?=

.PHONY: serve test lint bench clean

serve: .venv-serve/installed  ## start the service on the shipped models; ARGS='--port 9000' adds flags
	.venv-serve/bin/ganymede serve $(ARGS)

test: .venv/installed  ## run the tests
	.venv/bin/python -m pytest $(ARGS)

lint: .venv/installed  ## format, lint, types and walls
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports

bench: .venv/installed  ## measure the service beside plain FastAPI and the machine's limit
	.venv/bin/python -m bench $(ARGS)

clean:
	rm -rf .venv .venv-serve

.venv-serve/installed: pyproject.toml
	$(PYTHON) -m venv .venv-serve
	.venv-serve/bin/pip install --quiet --disable-pip-version-check --editable '.[$(RUNTIME)]'
	touch $@

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check --editable '.[$(RUNTIME),train,dev]'
	touch $@
