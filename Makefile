# Every target works on a fresh machine with Python 3.11 and make: it sets up .venv by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready

.PHONY: demo test check fix bench rivals soak-short soak servers clean

$(STAMP): pyproject.toml
	.ci/venv $(PYTHON) $(VENV)
	$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --editable '.[all]' --group dev
	touch $@

# The main job on an embedded database, and what happened.
demo: $(STAMP)
	$(BIN)/syncd demo

# Everything that fits in ten minutes: the quick checks first, then all tests but the slow attacks.
test: $(STAMP) servers
	$(MAKE) --no-print-directory check
	$(BIN)/pytest -q -n 2 --dist worksteal

servers:
	.ci/servers

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --verbose
	$(BIN)/mypy

fix: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Measurements, with the rivals beside; never part of `make test`. Hours.
bench: $(STAMP) servers rivals
	$(BIN)/python -m benchmarks.run --rival-repeat 1

rivals: $(STAMP)
	-$(BIN)/python -m benchmarks.run rivals --install

# The slow attacks: under twenty minutes, or hours.
soak-short: $(STAMP) servers
	$(BIN)/pytest -q -m soak -n 2 --dist worksteal

soak: $(STAMP) servers
	SOAK_SCALE=20 $(BIN)/pytest -q -m soak -n 2 --dist worksteal

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
