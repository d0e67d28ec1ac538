#!/usr/bin/env bash
# Runs every test against the released binary, beside a throw-away PostgreSQL or the one that
# DISTRACK_TEST_POSTGRES_URL names. Arguments go to cargo test.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# A test that hangs fails, late, instead of never. The whole takes a few minutes on two cores.
limit=3000

# Many tests start processes of their own: more at once would only get in each other's way.
cores=$(getconf _NPROCESSORS_ONLN)
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-$((cores < 8 ? cores : 8))}

# Tests of made-up input draw the same on every run; another seed is another search.
export PROPTEST_RNG_SEED=${PROPTEST_RNG_SEED:-1}

scripts/install-postgres.sh
cargo test --workspace --release --locked --no-run "$@" # all at once, so that every crate is built once
built=${CARGO_TARGET_DIR:-target}/release

log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
# In the foreground, so that Ctrl-C reaches it; with-postgres passes the signal on to all that it started.
timeout --foreground --signal=TERM --kill-after=60 "$limit" \
    "$built/with-postgres" cargo test --workspace --release --locked --no-fail-fast "$@" 2>&1 | tee "$log" || status=$?

awk '/^test result: / { programs++; passed += $4; failed += $6; ignored += $8 }
     END { printf "\n%d passed, %d failed, %d ignored, in %d test programs\n", passed, failed, ignored, programs }' "$log"
grep -o 'NOT TESTED: .*' "$log" | sort -u || true
((status != 124)) || echo "the tests did not end within $limit s" >&2
exit "$status"
