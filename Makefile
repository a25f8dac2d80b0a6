# Two environments, so that the one that serves holds no torch: .venv-serve to serve, .venv to develop and train.
PYTHON ?= python3
RUNTIME := $(shell nvidia-smi >/dev/null 2>&1 && echo gpu || echo cpu)
ARGS ?=
PIP_FLAGS := --quiet --disable-pip-version-check --constraint constraints.txt

# What asks and lists is pinned like everything else, and no part of what it looks at.
AUDITORS := pip-audit==2.10.1 cyclonedx-bom==7.5.0

.PHONY: serve test lint fuzz bench screenshots audit lock clean

serve: .venv-serve/installed  ## start the service on the shipped models; ARGS='--port 9000' adds flags
	.venv-serve/bin/ganymede serve $(ARGS)

test: .venv/installed  ## run the tests
	.venv/bin/python -m pytest $(ARGS)

lint: .venv/installed  ## format, lint, types and walls
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports

fuzz: .venv/installed  ## send what the OpenAPI document allows, and what it doesn't, for long; ARGS='--minutes 20 --seed 2'
	.venv/bin/python -m tests.fuzz $(ARGS)

bench: .venv/installed  ## prove the speed: limit, plain FastAPI, overload, memory; ARGS='--quick' or '--peers'
	.venv/bin/python -m bench $(ARGS)

screenshots: .venv/installed  ## draw docs/playground.webp: each room as it is now; needs the extra `browser` and chromium
	.venv/bin/python -m tests.web.screenshots docs/playground.webp

audit: .venv-serve/installed  ## list what serves in build/sbom.json, then ask for its known flaws; ARGS='--vulnerability-service osv'
	$(PYTHON) -m venv build/audit
	build/audit/bin/pip install --quiet --disable-pip-version-check $(AUDITORS)
	.venv-serve/bin/pip freeze --exclude-editable > build/serving.txt
	build/audit/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --output-file build/sbom.json .venv-serve/bin/python
	build/audit/bin/pip-audit --strict --disable-pip --no-deps --requirement build/serving.txt $(ARGS)

lock:  ## write constraints.txt anew, after a change of pyproject.toml
	$(PYTHON) -m venv --clear build/lock
	build/lock/bin/pip install --quiet --disable-pip-version-check --editable '.[cpu,train,dev,browser]'
	{ head -1 constraints.txt; build/lock/bin/pip freeze --exclude-editable | sed 's/+cpu$$//'; } > build/constraints.txt
	mv build/constraints.txt constraints.txt

clean:
	rm -rf .venv .venv-serve build

.venv-serve/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-serve
	.venv-serve/bin/pip install $(PIP_FLAGS) --editable '.[$(RUNTIME)]'
	touch $@

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/pip install $(PIP_FLAGS) --editable '.[$(RUNTIME),train,dev]'
	touch $@
