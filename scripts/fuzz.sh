#!/usr/bin/env bash
# Fuzzes every target for a time, 60 s each unless told otherwise, guided by coverage (libFuzzer).
#   scripts/fuzz.sh [SECONDS]
#
# A target is a test of a `*_fuzz.rs` file: `cargo test` tries each with a thousand made-up inputs, this with as many as the
# time allows. An input that fails is kept beside its target, in __fuzz__/, and from then on tried by `cargo test` too.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds=${1:-60}

if ! command -v cargo-bolero >/dev/null; then
    echo "fuzz: installing cargo-bolero" >&2
    cargo install --quiet --locked cargo-bolero
fi
# A folder of its own: what is built with coverage is of no use to others.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/fuzz

status=0
for file in $(git ls-files 'crates/*/src/*_fuzz.rs'); do
    package=distrack-$(cut -d/ -f2 <<<"$file")
    [[ $package != distrack-distrack ]] || package=distrack
    # Where `cargo test` finds it: the module that includes the file.
    module=$(basename "$file" _fuzz.rs)::fuzz
    for test in $(grep -oP '^fn \K\w+(?=\(\) \{)' "$file"); do
        echo "== $package $module::$test, $seconds s"
        cargo bolero test --package "$package" --sanitizer NONE --rustc-bootstrap --time "${seconds}s" "$module::$test" || status=1
    done
done
exit $status
