# Every target sets up what it needs: a virtual environment with the locked versions.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: quickstart test test-faults lint bench docs setup lock clean

quickstart: .venv/ready  ## set up, then run the main job on scikit-learn's digits
	$(BIN)/harness run experiments/quickstart.yaml
	@echo 'The command is $(BIN)/harness here; `. $(BIN)/activate` makes it `harness`, `uv tool install .` does so everywhere.'

test: .venv/ready  ## set up, then pass the tests
	$(BIN)/pytest -n 2 --dist loadfile

test-faults: .venv/ready  ## the slow tests: processes killed, stores away, disks full, searches shared
	$(BIN)/pytest -n 2 -m slow

lint: .venv/ready  ## format, lint, types, import rules; then counts how the house is kept
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --verbose
	-$(BIN)/python benchmarks/house.py

bench: .venv/ready  ## speed of our parts against the plain way
	$(BIN)/python benchmarks/train_step.py
	$(BIN)/python benchmarks/hog.py

docs: .venv/ready  ## write docs/reference.md from the models that parse a matrix file
	$(BIN)/python docs/make_reference.py

setup: .venv/ready

# uv installs in half a minute what takes pip several; byte code is compiled so that starts are quick.
.venv/ready: requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null
	test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet uv
	VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --compile-bytecode --require-hashes -r requirements.lock
	VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --no-deps -e .
	touch $@

lock: .venv/ready  ## resolve again; writes no address into the file
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header -o requirements.lock

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache
