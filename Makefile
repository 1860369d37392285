# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
#
# The front door: every target is a line or two of CMake, or one script.
BUILD ?= build
PREFIX ?= /usr/local
JOBS ?= $(shell nproc)
CMAKE_ARGS ?=
# A run is a program at one of six optimisation levels with one of its inputs.
N ?= 3000
INPUTS ?= 4
STRESS_SECONDS ?= 1800
SECONDS ?= 300

all: $(BUILD)/build.ninja ## build the library into build/
	cmake --build $(BUILD)

$(BUILD)/build.ninja: CMakeLists.txt
	scripts/deps.sh build
	cmake -S . -B $(BUILD) -G Ninja -DCMAKE_INSTALL_PREFIX=$(PREFIX) $(CMAKE_ARGS)

demo: ## install what is missing, build, run the main job on real input
	scripts/deps.sh demo
	cmake -S . -B $(BUILD) -G Ninja -DCMAKE_INSTALL_PREFIX=$(PREFIX) $(CMAKE_ARGS)
	cmake --build $(BUILD)
	examples/run.sh $(BUILD)/examples

check: ## install what is missing, pass the tests
	scripts/deps.sh check
	$(MAKE) all
	cd $(BUILD) && ctest --output-on-failure -j $(JOBS)

docs: all ## the manual and the guide, with every listing compiled: build/docs/
	scripts/deps.sh docs
	scripts/docs.sh $(BUILD)

pictures: all ## the flame graphs of docs/guide/leaks.md, and what belay lab draws: build/docs/pictures/
	mkdir -p $(BUILD)/docs/pictures
	BUILD=$(abspath $(BUILD)) tests/docs/leaks_test.sh $(BUILD)/docs/pictures
	$(BUILD)/bin/belay lab leak -n 2000 -o $(BUILD)/docs/pictures/leak.svg

differential: all ## N=3000 runs of random programs, here and in Go
	scripts/deps.sh build
	tests/differential/differential.py --lib $(BUILD) --inputs $(INPUTS) \
	    --count $$((($(N) + 6 * $(INPUTS) - 1) / (6 * $(INPUTS))))

stress: all ## STRESS_SECONDS=1800 of random stress of goroutines; STRESS_SEED=N again
	scripts/deps.sh build
	tests/stress/stress.py --build $(BUILD) --seconds $(STRESS_SECONDS) \
	    $(if $(STRESS_SEED),--seed $(STRESS_SEED))

pool-stress: all ## SECONDS=300 of a connection pool under 10,000 goroutines on two processors
	BELAYMAXPROCS=2 $(BUILD)/tests/stress-connpool --seconds $(SECONDS)

fuzz: all ## SECONDS=300 of libFuzzer on the HTTP server's request path
	BUILD=$(BUILD) tests/http/fuzz.sh $(SECONDS)

bench: all ## ratios to Go and to C; BENCH_ONLY=engine|tasks|memory, BENCH_FULL=1, BENCH_JSON=file, BASE=revision
	bench/run.py --build $(BUILD) $(if $(BENCH_JSON),--json $(BENCH_JSON)) $(if $(BASE),--base $(BASE)) \
	    $(if $(BENCH_ONLY),--only $(BENCH_ONLY)) $(if $(BENCH_FULL),--full)

bench-http: all ## hello world over HTTP, beside Go, libmicrohttpd and nginx
	scripts/deps.sh bench
	bench/http/run.py --build $(BUILD) $(if $(BENCH_JSON),--json $(BENCH_JSON))

asan: ## the tests under AddressSanitizer
	$(MAKE) check BUILD=build-asan CMAKE_ARGS=-DBELAY_SANITIZE=address

ubsan: ## the tests under UndefinedBehaviorSanitizer
	$(MAKE) check BUILD=build-ubsan CMAKE_ARGS=-DBELAY_SANITIZE=undefined

tsan: ## the tests under ThreadSanitizer
	$(MAKE) check BUILD=build-tsan CMAKE_ARGS=-DBELAY_SANITIZE=thread

install: ## install under PREFIX (default /usr/local)
	scripts/deps.sh build
	cmake -S . -B $(BUILD) -G Ninja -DCMAKE_INSTALL_PREFIX=$(PREFIX) $(CMAKE_ARGS)
	cmake --build $(BUILD)
	cmake --install $(BUILD)

compile_commands.json: $(BUILD)/build.ninja ## for editors
	cp $(BUILD)/compile_commands.json .

clean: ## remove what was built
	rm -rf build build-*

help: ## this list
	@sed -n 's/^\([a-z_.]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 30

.PHONY: all demo check docs pictures differential stress pool-stress fuzz bench bench-http asan ubsan tsan install clean help
