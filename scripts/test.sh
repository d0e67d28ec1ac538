#!/usr/bin/env bash
# Runs every test against the released binary, beside a throw-away PostgreSQL or the one that
# DISTRACK_TEST_POSTGRES_URL names. Arguments go to cargo test.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/install-postgres.sh
cargo test --workspace --release --no-run "$@" # all at once, so that every crate is built once
built=${CARGO_TARGET_DIR:-target}/release

log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
"$built/with-postgres" cargo test --workspace --release --no-fail-fast "$@" 2>&1 | tee "$log" || status=$?

awk '/^test result: / { programs++; passed += $4; failed += $6; ignored += $8 }
     END { printf "\n%d passed, %d failed, %d ignored, in %d test programs\n", passed, failed, ignored, programs }' "$log"
exit "$status"
