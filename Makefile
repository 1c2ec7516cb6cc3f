# make help lists what there is. Needs Python >= 3.11 and, for a window, Qt's libraries.

PYTHON ?= python3
VENV ?= .venv
# Another build of torch (CUDA, CPU only, ...): make TORCH="torch==2.13.0 --index-url ..."
TORCH ?= torch==2.13.0
# More options of pytest: make test PYTEST_ARGS="-k nifti"
PYTEST_ARGS ?=
# make bench-models MODELS_ARGS="--budget long", or "--only edsr-x2 srcnn"
MODELS_ARGS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip
INSTALLED := $(VENV)/.installed
DOCS_INSTALLED := $(VENV)/.installed-docs

.PHONY: help demo test test-all lint format docs model-pages screenshots bench bench-models install clean

help:  ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

demo: $(INSTALLED)  ## Open the sample study, hide FLAIR, synthesise it, look
	@$(BIN)/medsynth demo --out demo-output

test: lint  ## Lint, types and all tests but the slow ones
	@$(MAKE) --no-print-directory pytest MARKS="not slow and not gpu"

test-all: lint  ## The same with the slow tests
	@$(MAKE) --no-print-directory pytest MARKS="not gpu"

lint: $(INSTALLED)  ## ruff, typos and mypy
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/typos
	$(BIN)/mypy

.PHONY: pytest
pytest: $(INSTALLED)
	@scripts/run_pytest.sh $(BIN) "$(MARKS)" $(PYTEST_ARGS)

format: $(INSTALLED)  ## Let ruff rewrite the files
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(DOCS_INSTALLED)  ## Build the documentation into site/
	$(BIN)/python scripts/model_pages.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "The documentation is in site/index.html"

model-pages: $(INSTALLED)  ## Write docs/models/ from the model cards
	$(BIN)/python scripts/model_pages.py

screenshots: $(INSTALLED)  ## Take the pictures of the README and of docs/
	@scripts/with_screen.sh $(BIN)/python scripts/screenshots.py

bench: $(INSTALLED)  ## Measure speed, memory and quality (minutes)
	$(BIN)/python benchmarks/inference.py
	$(BIN)/python benchmarks/starter_quality.py
	$(BIN)/python benchmarks/finetune.py
	@scripts/with_screen.sh $(BIN)/python benchmarks/responsiveness.py

bench-models: $(INSTALLED)  ## Compare all models, write the table into docs/models/
	$(BIN)/python benchmarks/models.py --write $(MODELS_ARGS)
	$(BIN)/python scripts/model_pages.py

install: $(INSTALLED)  ## Create the environment only

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed, $$($(PYTHON) --version) was found:" \
	    "install one and say make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || \
	  { echo "Python's venv module is missing: apt-get install -y python3-venv"; exit 1; }
	@echo "Creating $(VENV)"
	@$(PYTHON) -m venv $(VENV)

# torch first: the largest download, and its own line, so that TORCH can name any build.
$(INSTALLED): pyproject.toml | $(BIN)/python
	@echo "Installing (once; some minutes): pip"
	@$(PIP) install -qq --upgrade "pip>=25.1"
	@echo "Installing: $(TORCH)"
	@$(PIP) install -qq $(TORCH)
	@echo "Installing: napari, Qt and the tools of the tests"
	@$(PIP) install -qq --editable ".[qt]" --group test --group lint
	@touch $@

$(DOCS_INSTALLED): $(INSTALLED)
	@$(PIP) install -qq --group docs
	@touch $@

clean:  ## Delete what can be made again, the environment included
	rm -rf $(VENV) build dist site demo-output .mypy_cache .pytest_cache .ruff_cache
