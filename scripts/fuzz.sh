#!/usr/bin/env bash
# Fuzzes every target for a time, 60 s each unless told otherwise.
#   scripts/fuzz.sh [--random] [SECONDS]
#
# A target is a test of a `*_fuzz.rs` file: `cargo test` tries each with random inputs for a second, this for as long as it is
# told. With `cargo bolero` (cargo install --locked cargo-bolero) the inputs are guided by the coverage they reach
# (libFuzzer), and one that fails is kept beside its target, in __fuzz__/, and from then on tried by `cargo test` too.
# Without it, or with --random, they are drawn at random, which finds less: a failure names the seed that repeats it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
guided=true
if [[ ${1:-} == --random ]]; then
    guided=false
    shift
elif ! command -v cargo-bolero >/dev/null; then
    guided=false
    echo "fuzz: NOT GUIDED by coverage, the inputs are random: cargo install --locked cargo-bolero" >&2
fi
seconds=${1:-60}

try() {
    local package=$1 kind=$2 test=$3
    echo "== $package $test, $seconds s"
    if $guided; then
        # A folder of its own: what is built with coverage is of no use to others.
        CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/fuzz cargo bolero test --package "$package" --sanitizer NONE \
            --rustc-bootstrap --time "${seconds}s" "$test"
    else
        local said
        said=$(BOLERO_RANDOM_TEST_TIME_MS=${seconds}000 cargo test --quiet --locked --package "$package" "$kind" \
            -- --exact "$test" 2>&1) || true
        echo "$said"
        [[ $said == *"test result: ok. 1 passed"* ]]
    fi
}

status=0
for file in $(git ls-files 'crates/*/src/*_fuzz.rs'); do
    package=distrack-$(cut -d/ -f2 <<<"$file")
    [[ $package != distrack-distrack ]] || package=distrack
    kind=$([[ $package == distrack ]] && echo --bins || echo --lib)
    # Where `cargo test` finds it: the module that includes the file.
    module=$(basename "$file" _fuzz.rs)::fuzz
    for test in $(grep -oP '^fn \K\w+(?=\(\) \{)' "$file"); do
        try "$package" "$kind" "$module::$test" || { status=1 && echo "== $package $module::$test FAILED" >&2; }
    done
done
exit $status
