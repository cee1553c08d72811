# Everything is set up in .venv; nothing else is touched.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help study test test-slow test-gpu format clean

help:
	@echo "make study      set up and run studies/moons.toml: report in runs/moons/report.html"
	@echo "make test       set up and run format, lint, types and tests"
	@echo "make test-slow  the tests that take minutes each"
	@echo "make test-gpu   the tests that need a GPU, on a machine that has one"
	@echo "make format     format the code"
	@echo "make clean      remove .venv"

study: $(READY)
	$(BIN)/agsam-tune run studies/moons.toml

test: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -m "not slow and not gpu" -n 2 --dist loadfile

test-slow: $(READY)
	$(BIN)/python -m pytest -m "slow and not gpu" --timeout 14400

test-gpu: $(READY)
	$(BIN)/python -m pytest -m gpu

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv

$(READY): pyproject.toml constraints.txt
	@echo "Setting up .venv (a few minutes the first time)"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $(READY)
