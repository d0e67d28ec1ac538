#!/usr/bin/env bash
# Fuzzes every target for a time, 60 s each unless told otherwise.
#   scripts/fuzz.sh [--random] [SECONDS]
#
# A target is a test of a `*_fuzz.rs` file: `cargo test` tries each with random inputs for a second, this for as long as it is
# told, guided by the coverage that inputs reach (libFuzzer, which needs a C++ compiler). An input that fails is kept beside
# its target, in __fuzz__/, and from then on tried by `cargo test` too. With --random, inputs are drawn at random: that builds
# nothing anew and finds less; a failure names the seed that repeats it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
guided=true
if [[ ${1:-} == --random ]]; then
    guided=false
    shift
fi
seconds=${1:-60}
# A folder of its own: what is built with coverage is of no use to others.
folder=$(realpath "${CARGO_TARGET_DIR:-target}")/fuzz
# Those of `cargo bolero test`, which would build every test of a package, also those that have no libFuzzer in them.
coverage="--cfg fuzzing --cfg fuzzing_libfuzzer -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4"
for one in inline-8bit-counters pc-table trace-compares stack-depth; do
    coverage+=" -Cllvm-args=-sanitizer-coverage-$one"
done
machine=$(rustc -vV | sed -n 's/^host: //p')

try_guided() {
    local file=$1 package=$2 kind=$3 test=$4
    # Where bolero has `cargo test` look for them.
    local crashes corpus=$folder/corpus/$test
    crashes=$PWD/$(dirname "$file")/__fuzz__/${test//::/__}/crashes
    mkdir -p "$corpus" "$crashes"
    # The target is named, so that what runs while building is built without all that.
    local said
    said=$(CARGO_TARGET_DIR=$folder RUSTC_BOOTSTRAP=1 RUSTFLAGS=$coverage BOLERO_TEST_NAME=$test BOLERO_LIBTEST_HARNESS=1 \
        BOLERO_LIBFUZZER_ARGS="$corpus $crashes -artifact_prefix=$crashes/ -timeout=10 -max_total_time=$seconds" \
        cargo test --quiet --locked --profile fuzz --target "$machine" --package "$package" "$kind" -- \
        --exact "$test" --nocapture --test-threads 1 2>&1) || true
    tail -n 5 <<<"$said"
    rmdir --parents --ignore-fail-on-non-empty "$crashes"
    # libFuzzer's last word, which only one that went on to the end has.
    grep -q "^Done [0-9]* runs in" <<<"$said"
}

try_random() {
    local package=$1 kind=$2 test=$3 said
    said=$(BOLERO_RANDOM_TEST_TIME_MS=${seconds}000 cargo test --quiet --locked --package "$package" "$kind" \
        -- --exact "$test" 2>&1) || true
    echo "$said"
    [[ $said == *"test result: ok. 1 passed"* ]]
}

status=0
for file in $(git ls-files 'crates/*/src/*_fuzz.rs'); do
    package=distrack-$(cut -d/ -f2 <<<"$file")
    [[ $package != distrack-distrack ]] || package=distrack
    kind=$([[ $package == distrack ]] && echo --bins || echo --lib)
    # Where `cargo test` finds it: the module that includes the file.
    module=$(basename "$file" _fuzz.rs)::fuzz
    for test in $(grep -oP '^fn \K\w+(?=\(\) \{)' "$file"); do
        test=$module::$test
        echo "== $package $test, $seconds s"
        if $guided; then
            try_guided "$file" "$package" "$kind" "$test"
        else
            try_random "$package" "$kind" "$test"
        fi || { status=1 && echo "== $package $test FAILED" >&2; }
    done
done
exit $status
