# Each target is one line, and sets up what it needs first (tools/setup). PYTHON=… chooses an interpreter.
SETUP := PYTHON="$(PYTHON)" tools/setup
BIN := .venv/bin
export PATH := $(PATH):/usr/local/sbin:/usr/sbin

.PHONY: help run test quick mutants check bench faults docs site screenshots sbom
.DEFAULT_GOAL := help

help: ## List these targets
	@sed -n 's/^\([a-z]*\): ## \(.*\)/\1	\2/p' Makefile | expand -t 13

run: ## Start Worksgate and the LINE WORKS simulator, with demo people (ARGS="--port 9000")
	@$(SETUP) runtime && exec $(BIN)/worksgate demo $(ARGS)

test: ## Run all tests, browser included (ARGS="tests/oauth -k state")
	@$(SETUP) dev servers browser && PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest $(if $(ARGS),$(ARGS),-n 4 --dist loadfile --no-loadscope-reorder)

quick: ## Run the tests that start no program, in two minutes (ARGS="-k throttle")
	@$(SETUP) dev && PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --quick -q -n 5 --dist loadfile $(ARGS)

mutants: ## Change the code in small ways, and say which changes no test notices (ARGS=src/worksgate/provider/sessions.py)
	@$(SETUP) dev && $(BIN)/python -m tools.mutants $(ARGS)

check: ## Lint, formatting, types, import rules, the files of deploy/
	@$(SETUP) dev servers && tools/check

bench: ## Run the benchmarks and write benchmarks/RESULTS.md
	@$(SETUP) dev && $(BIN)/python benchmarks/run.py $(ARGS)

faults: ## Break things in every way, for some 20 minutes, and write docs/reliability.md (ARGS="--short F-04")
	@$(SETUP) dev servers && $(BIN)/python -m tests.faults $(ARGS)

docs: ## Check that the pages are true: links, commands, requirements, faults, the settings reference
	@$(SETUP) dev && $(BIN)/python tools/links.py && $(BIN)/python -m pytest -q tests/docs/test_pages.py tests/docs/test_references.py tests/docs/test_fault_pages.py tests/settings/test_reference.py

site: ## Build the documentation site in build/site, to be read without a network
	@$(SETUP) site && $(BIN)/python -m tools.site

screenshots: ## Take all pictures of the pages anew
	@$(SETUP) dev browser && $(BIN)/python -m tools.screenshots

sbom: ## Write the list of what a release consists of (CycloneDX) to dist/sbom.json
	@$(SETUP) dev sbom && mkdir -p dist && $(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --output-file dist/sbom.json requirements/runtime.txt
