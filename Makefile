# What a developer types. CI runs the same: .ci/run.
.DEFAULT_GOAL := help
.PHONY: help run test chaos mutations fuzz measure loadtest-check dashboards observability live-queries fmt lint doc deny queries queries-check migrations ci

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Start everything on this machine: scheduler, coordinator, workers, SQLite
	cargo run --release -- up

test: ## Run all tests, beside a throw-away PostgreSQL or $DISTRACK_TEST_POSTGRES_URL
	@scripts/test.sh

chaos: ## Break a real fleet in every way there is, with a random seed, and judge what happened
	cargo build --workspace --release --locked --bins
	@"$${CARGO_TARGET_DIR:-target}/release/distrack-testkit" chaos --all

mutations: ## Break the code on purpose, one way at a time, and see that the tests notice
	@scripts/mutations.sh

fuzz: ## Fuzz what reads foreign bytes: bodies, messages, the spool, traceparent, flags; 60 s each
	@scripts/fuzz.sh

measure: ## Measure drains, start delays and what telemetry costs (distrack bench measures more)
	cargo build --workspace --release --locked --bins
	@"$${CARGO_TARGET_DIR:-target}/release/measure" "$${CARGO_TARGET_DIR:-target}/release/distrack"

loadtest-check: ## Check the load test's scripts: types, pure parts, requests
	cargo build --release --locked --package distrack
	@scripts/loadtest.sh "$${CARGO_TARGET_DIR:-target}/release/distrack"

dashboards: ## Write the Grafana dashboards from their source
	cargo run --release --locked --package distrack-dashboards

observability: ## Check alerts, recording rules, their tests and runbooks
	@scripts/observability.sh

live-queries: ## Ask every query of the dashboards and rules of a live stack
	cargo build --workspace --release --locked --bins
	@scripts/live-queries.sh

fmt: ## Format the code
	cargo fmt --all

lint: ## Check the format and run clippy; a warning is an error
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --release --locked -- -D warnings

doc: ## Build the documentation, of private items too; a warning is an error
	RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" cargo doc --workspace --no-deps --document-private-items --release --locked

deny: ## Check licences, sources, bans and advisories of the dependencies
	@scripts/deny.sh

queries: ## Write the offline query caches after a change of queries or migrations
	@scripts/queries.sh

queries-check: ## Check that the offline query caches are up to date
	@scripts/queries.sh --check

migrations: ## Check that landed migrations are unchanged
	@scripts/migrations.sh

ci: ## Do all that CI does
	@.ci/run
