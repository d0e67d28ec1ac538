#!/usr/bin/env bash
# Breaks the code on purpose, one way at a time, and sees whether the tests notice: each file of
# crates/testkit/mutations/ takes one mechanism out and names the test that must turn red.
#
#   scripts/mutations.sh [NAME]...       all, or those whose names begin like this or have it after their number
#   scripts/mutations.sh --check         only whether each still fits the code
#
# A mutation is `what` it takes out, the `file`, the text to `find` there, which must be there once, what to `replace` it
# by, and the test that it is `caught_by`: one test target and a filter of names, so that it is built and run soon.
#
# Works on a copy of what is committed, with a target folder of its own; later runs go on with both. Fails if a test
# passes on broken code, if it does not pass on whole code, or if a mutation no longer fits the code.
set -euo pipefail
self=$(realpath "${BASH_SOURCE[0]}")
cd "$(dirname "$self")/.."

if [[ ${1:-} == --check ]]; then
    exec python3 scripts/mutations.py --check .
fi
if [[ ${1:-} != --inside ]]; then
    cargo build --quiet --locked --package distrack-testkit --bins
    built=$(realpath "${CARGO_TARGET_DIR:-target}")/debug
    # SQL is checked against a database, since a broken statement is in no cache.
    exec "$built/with-postgres" "$built/with-migrations" "$self" --inside "$@"
fi
shift

target=$(realpath "${CARGO_TARGET_DIR:-target}")/mutations
copy=$target/tree
mkdir -p "$target"
exec 9>"$target/lock"
flock --nonblock 9 || { echo "mutations: another run has the copy" >&2 && exit 1; }
# Always at one place, where cargo knows what it built; what did not change keeps its time.
if [[ -e $copy/.git ]]; then
    git -C "$copy" checkout --quiet --force --detach "$(git rev-parse HEAD)"
else
    git worktree add --quiet --force --detach "$copy"
fi
export CARGO_TARGET_DIR=$target SQLX_OFFLINE=false PROPTEST_RNG_SEED=1
exec python3 scripts/mutations.py "$copy" "$@"
