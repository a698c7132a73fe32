# The two commands that matter: `make demo` and `make test`. Both set everything up by themselves.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo explore docs test test-slow lint types format dist gpu-bundle clean

demo: $(VENV)/.base  ## grow grid cells from scratch and open the numbers; a few minutes
	$(BIN)/gridcode demo

explore: $(VENV)/.explore  ## look at all runs in the browser
	$(BIN)/gridcode explore runs

docs: $(VENV)/.dev  ## the documentation site, into docs/_build
	rm -rf docs/_build docs/reference/generated
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -q -W --keep-going -c docs -b html . docs/_build
	@echo "open docs/_build/index.html"

test: $(VENV)/.dev  ## the default suite
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

test-slow: $(VENV)/.dev  ## the long tests, such as two hundred kills of all commands
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

dist: $(VENV)/.dev  ## wheel and sdist, checked, and tried in clean environments
	$(BIN)/python tools/distribution.py

gpu-bundle: $(VENV)/.dev  ## wheels for benchmarks/gpu.sh on a machine that can fetch nothing
	$(BIN)/python tools/gpu_bundle.py .gpu-bundle

$(VENV)/.base: pyproject.toml constraints.txt
	@echo "setting up $(VENV) (once; a minute or two)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(INSTALL) -e .
	@touch $@

$(VENV)/.explore: $(VENV)/.base
	@$(INSTALL) -e '.[explore]'
	@touch $@

$(VENV)/.dev: $(VENV)/.base
	@echo "installing what the tests need"
	@$(INSTALL) -e '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) docs/_build docs/reference/generated .pytest_cache .mypy_cache .ruff_cache .hypothesis
