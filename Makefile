# What one can do with this tree; `make help` lists it. Each target sets up what it needs: the virtual environment in
# .venv, and with apt-get, when that is there and we are root, the system's packages. Stamps in .venv make a second run quick.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# The system's packages, one variable per purpose, as Debian names them.
PACKAGES_VENV := python3-venv
PACKAGES_DEMO := erlang-base
PACKAGES_SHELL := erlang-base
PACKAGES_IEX := erlang-base elixir
PACKAGES_BENCH := erlang-base
PACKAGES_COMPILE := gcc libc6-dev python3-dev
PACKAGES_TEST := erlang-base erlang-dev erlang-eunit erlang-dialyzer erlang-common-test rebar3 elixir clojure libnrepl-clojure libcheshire-clojure \
	groff-base redis-server systemd openssl curl chromium chromium-driver

# The bridge runs on 3.11 and newer; of the interpreters found the first that will do is taken. Name another with PYTHON=.
PYTHON ?=
PYTHONS := $(PYTHON) python3.14 python3.13 python3.12 python3.11 python3

BIN := .venv/bin
comma := ,
STAMPS := .venv/stamps
ONLY ?=
# COMPILE=no: benchmarks and tests of plain Python alone. `make wheel COMPILE=yes`: a wheel for this interpreter and its like.
COMPILE ?=
COMPILED := build/compiled
# What goes through the compiled modules most, to be tested in that form too.
COMPILED_TESTS := tests/protocols tests/bridge/test_router_*.py tests/bridge/test_pod_door.py tests/end_to_end/test_pod.py \
	tests/end_to_end/test_erlang_port.py tests/end_to_end/test_callbacks.py tests/end_to_end/test_service.py tests/end_to_end/test_pools.py \
	$(addprefix tests/workers/test_,$(addsuffix .py,callbacks calls cancel converters coroutines errors handles output processes streams threads \
	values wire))
TESTS ?= tests
TEST_LIMIT ?= 23m
# Files of tests that run at a time: most wait for processes that they started.
JOBS ?= 2
TESTS_COMPILED = $(if $(filter no,$(COMPILE)),,$(filter tests,$(TESTS)))
CHECKED := hatch_build.py bascule bridge protocols workers tests benchmarks demo docs

export PIP_DISABLE_PIP_VERSION_CHECK := 1

# ---- What one asks for ----------------------------------------------------------------------------------------------

.PHONY: help demo test check compiled bench docs soak wheel shell iex repl clean distclean

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(STAMPS)/base $(STAMPS)/system-demo ## the main job, for real, in this terminal
	@$(compile)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m demo

test: check $(STAMPS)/system-test $(STAMPS)/node-test $(STAMPS)/python-pods $(if $(TESTS_COMPILED),compiled) ## the checks and all tests (TESTS=path for some)
	@mkdir -p build
	rm -f build/tests.xml
	$(compile)
	status=0
	PATH="$(CURDIR)/$(BIN):$$PATH" timeout --kill-after=30s $(TEST_LIMIT) \
		$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --junit-xml=build/tests.xml $(TESTS) || status=$$?
	if [ $$status = 0 ] && [ -n "$(TESTS_COMPILED)" ]; then
		echo "make test: once more what goes through the compiled modules, compiled"
		$(in_compiled) timeout --kill-after=30s $(TEST_LIMIT) $(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile \
			-o "pythonpath=tests/bridge tests/contracts tests/end_to_end tests/protocols tests/workers" $(COMPILED_TESTS) || status=$$?
	fi
	if [ $$status = 124 ] || [ $$status = 137 ]; then echo "make test: stopped after $(TEST_LIMIT)" >&2; fi
	if [ $$status = 0 ]; then echo "make test: checks and tests passed"; else echo "make test: FAILED" >&2; fi
	exit $$status

check: $(STAMPS)/test ## ruff (lint and format) and mypy --strict
	@$(BIN)/ruff check $(wildcard $(CHECKED))
	$(BIN)/ruff format --check $(wildcard $(CHECKED))
	$(BIN)/mypy

compiled: $(COMPILED)/made ## Bascule with its hot path compiled, in build/compiled

bench: $(STAMPS)/bench $(STAMPS)/system-bench $(if $(filter no,$(COMPILE)),,compiled) ## measure beside peers, print the table, write bench.json (ONLY=pattern for some rows, COMPILE=no)
	@$(compile)
	$(if $(filter no,$(COMPILE)),PATH="$(CURDIR)/$(BIN):$$PATH",$(in_compiled)) $(BIN)/python -m benchmarks $(if $(ONLY),--only '$(ONLY)')

docs: $(STAMPS)/docs ## build the documentation into site/
	@$(BIN)/python -m sphinx -q -W --keep-going -b html docs site
	echo "make docs: open site/index.html"

soak: $(STAMPS)/test $(STAMPS)/system-test $(STAMPS)/node-test $(STAMPS)/python-pods ## the same tests with far larger sweeps
	@$(compile)
	PATH="$(CURDIR)/$(BIN):$$PATH" BASCULE_SOAK=1 $(BIN)/python -m pytest --timeout=3600 $(TESTS)

wheel: $(STAMPS)/test $(if $(filter yes,$(COMPILE)),$(STAMPS)/compile $(STAMPS)/system-compile) ## build a wheel into dist/ (COMPILE=yes: with the hot path compiled)
	@$(if $(filter yes,$(COMPILE)),HATCH_BUILD_HOOKS_ENABLE=1) $(BIN)/python -m hatchling build -t wheel

shell: $(STAMPS)/base $(STAMPS)/system-shell ## an Erlang shell in which py is started
	@$(call start_py)
	exec erl -pa build/erlang/py/ebin -eval '{ok, _} = application:ensure_all_started(py).'

iex: $(STAMPS)/base $(STAMPS)/system-iex ## the same in Elixir
	@$(call start_py)
	exec iex --erl "-pa build/erlang/py/ebin" -e '{:ok, _} = Application.ensure_all_started(:py)'

repl: $(STAMPS)/base $(STAMPS)/system-shell ## the same in LFE, where that is installed
	@if ! command -v lfe >/dev/null; then
		echo "make: not found: lfe. It comes from https://lfe.io, and from no package that could be installed here" >&2
		exit 1
	fi
	$(call start_py)
	exec lfe -pa build/erlang/py/ebin -eval "(application:ensure_all_started 'py)"

# Hosted recording, in deploy/record/Makefile, which says what else can be told: make record-all RUNNER=local
RECORD_PYTHON = $(CURDIR)/$(BIN)/python
RECORD = PYTHONPATH="$(CURDIR)" $(MAKE) --no-print-directory -f deploy/record/Makefile PYTHON='$(RECORD_PYTHON)'

.PHONY: record-all
record-all: $(if $(filter file,$(origin RECORD_PYTHON)),$(STAMPS)/base) ## record the libraries of deploy/record that changed, into data/
	@$(RECORD) $@

test-local-%: $(if $(filter file,$(origin RECORD_PYTHON)),$(STAMPS)/base)
	@$(RECORD) $@

job-%:
	@$(RECORD) $@

clean: ## remove what was built
	@rm -rf build dist site bench.json .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -path ./.venv -prune -o -path ./.git -prune -o \
		\( -name __pycache__ -o -name '*.beam' -o -name erl_crash.dump \) -print0 | xargs -0 rm -rf

distclean: clean ## remove the virtual environment too
	@rm -rf .venv

# The application py, compiled, and the bridge of this environment where it finds it.
define start_py
mkdir -p build/erlang/py/ebin
erlc -o build/erlang/py/ebin deploy/erlang/py/src/*.erl
cp deploy/erlang/py/src/py.app.src build/erlang/py/ebin/py.app
export PATH="$(CURDIR)/$(BIN):$$PATH"
endef

# ---- How it gets what it needs --------------------------------------------------------------------------------------

# $(call apt_get,packages): install those that are missing, if we may, and say whether they are there now. The lists of a
# new machine are empty, so a first try that fails is followed by an update.
define apt_get
apt_get() { DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$$@" >/dev/null; }
try_apt_get() {
	[ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
	[ -n "$$(dpkg-query -W -f '$${db:Status-Abbrev}\n' $(1) 2>&1 | grep -v '^ii')" ] || return 0
	echo "make: apt-get install $(1)"
	apt_get install -y --no-install-recommends $(1) 2>/dev/null && return
	apt_get update && apt_get install -y --no-install-recommends $(1)
}
try_apt_get
endef

# $(call require_commands,commands,packages,make must stop without them: yes or no)
define require_commands
{ $(call apt_get,$(2)); } || true
missing=""
for command in $(1); do command -v "$$command" >/dev/null || missing="$$missing $$command"; done
if [ -n "$$missing" ]; then
	echo "make: not found:$$missing. On Debian they come with: sudo apt-get install $(2)" >&2
	$(if $(filter yes,$(3)),exit 1,echo "make: going on without them; what needs them is left out" >&2; exit 0)
fi
mkdir -p $(STAMPS)
touch $@
endef

.venv/bin/python:
	@suitable='import sys, venv, ensurepip; i = sys.implementation.name == "cpython"; v = sys.version_info
	sys.exit(not (i and v >= (3, 11) and v.releaselevel == "final"))'
	find_python() {
		for candidate in $(PYTHONS); do
			if "$$candidate" -c "$$suitable" >/dev/null 2>&1; then echo "$$candidate"; return; fi
		done
		return 1
	}
	if ! python=$$(find_python); then
		{ $(call apt_get,$(PACKAGES_VENV)); } || true
		if ! python=$$(find_python); then
			echo "make: no suitable Python: CPython 3.11 or newer, with its venv module, is needed." >&2
			echo "make: On Debian 12 or newer: sudo apt-get install $(PACKAGES_VENV). Elsewhere: make PYTHON=/path/to/python3.12" >&2
			exit 1
		fi
	fi
	echo "make: $$($$python --version) in .venv"
	rm -rf .venv
	"$$python" -m venv .venv

$(STAMPS)/base: pyproject.toml | .venv/bin/python
	@$(call pip_install,.)

$(STAMPS)/test: pyproject.toml | .venv/bin/python
	@$(call pip_install,.[check$(comma)test])

$(STAMPS)/bench: pyproject.toml | .venv/bin/python
	@$(call pip_install,.[bench])

$(STAMPS)/compile: pyproject.toml | .venv/bin/python
	@$(call pip_install,.[compile])

$(STAMPS)/docs: pyproject.toml | .venv/bin/python
	@$(call pip_install,.[docs])

# As an installer does it: else each process of ours compiles its modules anew where Python is told to write no byte code.
compile = $(BIN)/python -m compileall -q bascule bridge protocols workers

# The wheel that an installer would make on request, laid out. It comes before the tree on every path, also in processes
# that a test or a benchmark starts: none of them has the current folder there.
$(COMPILED)/made: hatch_build.py pyproject.toml $(shell find bascule/ bridge protocols workers -name '*.py') | $(STAMPS)/compile $(STAMPS)/system-compile
	@echo "make: compiling the hot path; this takes a minute or three"
	rm -rf $(COMPILED) build/wheel; mkdir -p build
	HATCH_BUILD_HOOKS_ENABLE=1 $(BIN)/python -m hatchling build -t wheel -d build/wheel >build/compiled.log 2>&1 || { cat build/compiled.log; exit 1; }
	$(BIN)/python -m zipfile -e build/wheel/*.whl $(COMPILED)
	$(BIN)/python -m compileall -q $(COMPILED)/bascule
	$(in_compiled) $(BIN)/python -c 'import sys; from bascule.bridge.router import core; sys.exit(core.__file__.endswith(".py"))'
	touch $@

in_compiled = PYTHONSAFEPATH=1 PYTHONPATH="$(CURDIR)/$(COMPILED):$(CURDIR)" PATH="$(CURDIR)/$(BIN):$$PATH"

# Bascule itself is installed as editable, from whatever index pip is set up with.
define pip_install
echo "make: pip install $(1)"
$(BIN)/python -m pip install -q --editable '$(1)'
mkdir -p $(STAMPS)
touch $@
endef

$(STAMPS)/system-shell: Makefile | .venv/bin/python
	@$(call require_commands,erl erlc,$(PACKAGES_SHELL),yes)

$(STAMPS)/system-iex: Makefile | .venv/bin/python
	@$(call require_commands,erl erlc iex,$(PACKAGES_IEX),yes)

$(STAMPS)/system-bench: Makefile | .venv/bin/python
	@$(call require_commands,erl erlc,$(PACKAGES_BENCH),no)

# The headers of a Python that is not Debian's came with it.
$(STAMPS)/system-compile: Makefile | .venv/bin/python
	@has_headers() { test -e "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h"; }
	if ! command -v cc >/dev/null || ! has_headers; then
		{ $(call apt_get,$(PACKAGES_COMPILE)); } || true
	fi
	if ! command -v cc >/dev/null || ! has_headers; then
		echo "make: not found: a C compiler, or Python.h for $$($(BIN)/python --version)." >&2
		echo "make: On Debian they come with: sudo apt-get install $(PACKAGES_COMPILE). COMPILE=no goes without them" >&2
		exit 1
	fi
	mkdir -p $(STAMPS)
	touch $@

$(STAMPS)/system-demo: Makefile | .venv/bin/python
	@$(call require_commands,erl erlc,$(PACKAGES_DEMO),no)

# Under CI nothing is left out in silence.
$(STAMPS)/system-test: Makefile | .venv/bin/python
	@$(call require_commands,erl erlc ct_run dialyzer rebar3 elixir java clojure groff systemd-analyze openssl chromium chromedriver redis-server,$(PACKAGES_TEST),$(if $(filter true,$(CI)),yes,no))

# TypeScript's compiler, and nbb, which has SCI in it, from whatever registry npm is set up with.
$(STAMPS)/node-test: Makefile | .venv/bin/python
	@if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
		$(call require_commands,node npm,nodejs npm,$(if $(filter true,$(CI)),yes,no))
	fi
	mkdir -p $(STAMPS)
	touch $@
	if command -v npm >/dev/null; then
		echo "make: npm install typescript nbb"
		npm install --silent --no-audit --no-fund --prefix .venv/node typescript@5 @types/node@20 nbb@1
	fi

# A pod client by somebody else. It needs a newer Python than the bridge may have: it is only laid out here, beside it.
$(STAMPS)/python-pods: Makefile | .venv/bin/python
	@echo "make: pip install python-pods"
	$(BIN)/python -m pip install -q --upgrade --ignore-requires-python --target .venv/python-pods python-pods==0.1.0
	mkdir -p $(STAMPS)
	touch $@
