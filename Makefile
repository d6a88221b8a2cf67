# `make` lists the targets. Every tool is pinned: in tools/go.mod or web/package.json.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
# Setting up comes before checking, however many jobs there are.
.NOTPARALLEL:

export PATH := $(CURDIR)/bin/tools:$(CURDIR)/web/node_modules/.bin:$(PATH)

# How many schedules make sim runs; about 40 a second on one processor.
SCHEDULES ?= 4000
# The languages of their devices: go, ts, mixed, or lockstep, which compares both.
DEVICES ?= mixed
# How often make chaos kills the server, with 20 calls under way each time.
ROUNDS ?= 120
# How long make fuzz stays with each target.
FUZZTIME ?= 1m
# New inputs are made smaller for a second at most: by default a minute goes into each.
FUZZ = -fuzztime=$(FUZZTIME) -fuzzminimizetime=1s

# The modules that users of the Go SDK get; ADR 17.
modules := client internal/device internal/protocol internal/socket

# Written last by npm, so it is older than the lock file when a package is.
node_modules := web/node_modules/.package-lock.json

.PHONY: help
help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## Start a server for trying out; needs Go alone.
	go run ./cmd/peal dev

.PHONY: build
build: ## Build the static binary bin/peal.
	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o bin/peal ./cmd/peal

.PHONY: dist
dist: tools ## Build a release of the commit: archives, lists of components, .deb and SHA256SUMS in bin/dist.
	release

.PHONY: release
release: tools $(node_modules) ## Tag the release of VERSION and build it in bin/dist; publishes nothing. RELEASE_FLAGS=--dry-run leaves no tag.
	scripts/release $(RELEASE_FLAGS)

.PHONY: test
test: setup check ## Run all checks and tests, browsers included; installs what is missing.
	@# The simulator takes longest, so it begins first.
	go test -race -shuffle=on -timeout=30m ./internal/testing/sim $$(go list ./... | grep -v -e '/e2e$$' -e '/testing/sim$$')
	for m in $(modules); do go -C $$m test -race -shuffle=on ./... || exit; done
	go -C tools test -shuffle=on ./release
	go -C tools/deploycheck test -count=1 -shuffle=on ./started
	cd web && vitest run
	$(MAKE) e2e

# What takes longer than a change should wait for; hours together.
.PHONY: nightly
nightly: setup ## Run the long tests: simulator, explorer, chaos, two nodes and all networks by browsers, fuzzing, soak.
	$(MAKE) sim SCHEDULES=20000
	$(MAKE) sim SCHEDULES=20000 DEVICES=lockstep
	$(MAKE) explore
	$(MAKE) chaos
	PEAL_LOOP=goroutines $(MAKE) chaos ROUNDS=60
	$(MAKE) chaos-cluster ROUNDS=100
	$(MAKE) e2e-cluster
	PEAL_LOOP=goroutines $(MAKE) e2e
	$(MAKE) nets
	$(MAKE) fuzz FUZZTIME=10m
	$(MAKE) soak

.PHONY: e2e
e2e: ## Run only the tests with real browsers.
	go test -v ./e2e/ -count=1 -timeout=60m -parallel=4

# What tests of one server's own relay, certificate or files say nothing of several nodes.
ONE_NODE = ^(TestTwoNodes|TestCoturnClients|TestRelayTransports|TestICECommand|TestNetworkWarnings)$$
.PHONY: e2e-cluster
e2e-cluster: ## Run the tests with real browsers against servers of two nodes each, over PostgreSQL and NATS.
	go test -v ./e2e/ -count=1 -timeout=90m -parallel=4 -nodes=2 -skip='$(ONE_NODE)'

.PHONY: nets
nets: ## Call through NATs and firewalls of every kind, and change networks in a call; needs root or user namespaces.
	go test -v ./e2e/ -count=1 -timeout=30m -run='^TestNet(Paths|Changes)$$' -all-nets

.PHONY: bench-accept
bench-accept: ## Measure 50 calls from the acceptance to media, beside what is possible at all.
	go test ./e2e -count=1 -v -timeout=30m -run='^TestBenchAccept$$' -bench-accept=50

.PHONY: explore
explore: ## Walk every state of a call within the large scopes, then look for planted bugs; minutes.
	go test ./internal/testing/explore -count=1 -v -timeout=60m -large
	go test ./internal/testing/explore -count=1 -v -timeout=60m -run='^TestPlanted$$' -planted

.PHONY: sim
sim: ## Simulate SCHEDULES schedules with faults, then look for planted bugs.
	@go test ./internal/testing/sim -count=1 -v -timeout=12h -run='^TestSchedules$$' -schedules=$(SCHEDULES) -devices=$(DEVICES)
	@go test ./internal/testing/sim -count=1 -v -timeout=12h -run='^TestPlanted$$' -planted=$(SCHEDULES)

SOAK ?= 2h
.PHONY: soak
soak: ## Call and log in for SOAK, and hold that memory, goroutines and descriptors stay.
	go test ./internal/testing/soak -count=1 -v -timeout=12h -soak=$(SOAK)

.PHONY: chaos
chaos: ## Kill the server ROUNDS times, at each step of a call, while real clients call each other.
	go test ./internal/testing/chaos -count=1 -v -timeout=12h -run='^(TestKill|TestRaces)$$' -rounds=$(ROUNDS)

.PHONY: chaos-cluster
chaos-cluster: ## Have nodes die, and PostgreSQL and NATS die or be cut off, ROUNDS times beneath three nodes while real clients call each other.
	go test ./internal/testing/chaos -count=1 -v -timeout=12h -run='^(TestCluster|TestStoreAway)$$' -cluster-rounds=$(ROUNDS)

# What make bench-* measure with; nothing of it is for make test.
bench := bin/bench
BENCH_FLAGS ?=

.PHONY: bench-call
bench-call: build $(bench) ## Measure a call beside bare relays and Kamailio; BENCH_FLAGS=-h lists flags.
	$(bench) call $(BENCH_FLAGS)

.PHONY: bench-saturation
bench-saturation: build $(bench) ## Measure how many calls a second still ring in time.
	$(bench) saturation $(BENCH_FLAGS)

.PHONY: bench-idle
bench-idle: build $(bench) ## Measure memory of idle devices, and all of them coming back.
	$(bench) idle $(BENCH_FLAGS)

.PHONY: bench-turn
bench-turn: build $(bench) ## Measure a relayed packet beside coturn.
	$(bench) turn $(BENCH_FLAGS)

.PHONY: bench-cost
bench-cost: build $(bench) ## Measure what grows with calls, live calls and accounts.
	$(bench) cost $(BENCH_FLAGS)

.PHONY: bench-cluster
bench-cluster: build tools $(bench) ## Measure nodes over PostgreSQL and NATS beside one server with SQLite.
	$(bench) cluster $(BENCH_FLAGS)

# Go's own build cache knows what is up to date.
.PHONY: $(bench)
$(bench):
	go build -o $@ ./bench

.PHONY: fuzz
fuzz: ## Fuzz every decoder of our own for FUZZTIME each.
	@grep -ro --include='*_test.go' --exclude-dir=node_modules '^func Fuzz[A-Za-z0-9]*' . | sort | while IFS=: read -r file name; do \
	  (set -x; go -C "$$(dirname "$$file")" test -run='^$$' -fuzz="^$${name#func }\$$" $(FUZZ)) || exit; \
	done

.PHONY: check
check: check-go check-web check-generated check-prose ## Check prose, format, vet, lint, types, imports, generated files; changes nothing.

.PHONY: generate
generate: tools $(node_modules) ## Write the protocol's types and the web files.
	scripts/protobuf
	webbuild
	node web/reference.mjs

.PHONY: format
format: tools $(node_modules) ## Format all sources.
	gofumpt -w .
	cd web && biome check --write .

.PHONY: package
package: $(node_modules) ## Pack the component for npm: bin/peal-rtc-VERSION.tgz.
	scripts/package

# A copy of the database for machines without the network: VULN_DB=file:///path.
VULN_DB ?=
.PHONY: vuln
vuln: tools ## Look for known vulnerabilities in every module and tool; asks vuln.go.dev.
	@failed=0; for m in . $(modules) tools tools/promcheck tools/deploycheck tools/vale; do \
	  echo "vuln: $$m"; \
	  packages=./...; case $$m in tools) packages="./... tool" ;; tools/vale) packages=tool ;; esac; \
	  govulncheck $(if $(VULN_DB),-db $(VULN_DB)) -C $$m -test $$packages || failed=1; \
	done; exit $$failed

.PHONY: setup
setup: ## Install what is missing: a C compiler, Chromium, Firefox, Node, PostgreSQL, npm packages, Go tools.
	@scripts/setup
	@$(MAKE) -s tools $(node_modules)

.PHONY: check-go
check-go: tools
	@unformatted=$$(gofumpt -l .); [ -z "$$unformatted" ] || { echo "run make format for:" $$unformatted; exit 1; }
	go -C tools vet ./...
	@set -e; for m in . $(modules); do (set -ex; cd $$m; \
	  go mod tidy -diff; \
	  go vet ./...; \
	  go fix -diff ./...; \
	  staticcheck -checks=inherit,ST1000 ./...; \
	  errcheck -ignoretests -exclude=$(CURDIR)/tools/errcheck.txt ./...; \
	  exhaustive -typeignore='^reflect\.Kind$$' ./...); done
	go test -count=1 .
	# Go does not see that files outside of a module change, so -count=1.
	go -C tools/promcheck vet ./...
	go -C tools/promcheck test -count=1 ./...
	go -C tools/deploycheck vet ./...
	go -C tools/deploycheck test -count=1 -shuffle=on .

.PHONY: check-web
check-web: $(node_modules)
	cd web && tsc --noEmit
	cd web && biome check --error-on-warnings .
	node scripts/hosts.mjs

.PHONY: check-generated
check-generated: tools $(node_modules)
	buf lint
	scripts/openapi
	scripts/protobuf --check
	webbuild -check
	node web/reference.mjs --check
	scripts/package --check

# Vale is apart from the other tools: it needs a C compiler, and two minutes the first time.
.PHONY: check-prose
check-prose:
	@CGO_CFLAGS=-w go -C tools/vale build -buildvcs=false -o ../../bin/tools/ tool
	scripts/prose

# Go's own build cache knows what is up to date, also after a new Go.
.PHONY: tools
tools:
	@go -C tools build -buildvcs=false -o ../bin/tools/ tool

$(node_modules): web/package.json web/package-lock.json
	cd web && npm install --no-save --ignore-scripts --no-audit --no-fund
	@touch $@
