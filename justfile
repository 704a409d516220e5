# The project's commands; `just` lists them. `.ci/run` and the GitHub workflow call these same recipes.

_default:
    @just --list

# All that must pass before a change lands.
ci: fmt clippy docs test otel features tree msrv package

# The formatting, checked.
fmt:
    cargo fmt --all --check

# Lints, warnings as errors.
clippy:
    cargo clippy --workspace --all-targets --locked -- -D warnings

# Public docs, warnings as errors.
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

# All tests, the live one on the local model included.
test:
    cargo test --workspace

# The checks of `tests/properties/`, a million random cases of each; see docs/fuzzing.md.
properties CASES="1000000":
    KARAT_CASES={{CASES}} cargo test -p karat-properties --release --locked --test properties

# Random schedules, a million unless told otherwise; see docs/reliability.md.
soak-seeds SEEDS="1000000" FROM="0":
    KARAT_SEEDS={{SEEDS}} KARAT_FROM={{FROM}} cargo test -p karat-tests --release --locked --test schedules

# One of these checks under libFuzzer (nightly, `cargo install cargo-fuzz`).
fuzz TARGET SECONDS="60":
    mkdir -p fuzz/found/{{TARGET}}
    cargo +nightly fuzz run -O --sanitizer none {{TARGET}} fuzz/found/{{TARGET}} fuzz/corpus/{{TARGET}} -- \
        -max_total_time={{SECONDS}} -max_len=600 -print_final_stats=1

# Mutants of retry, cache, BestOfN and the reading of replies (`cargo install cargo-mutants`); see docs/mutants.md. Hours:
# `just mutants --file '**/json/*.rs'` or `just mutants --shard 0/20` is a part of them.
mutants *ARGS:
    cargo mutants {{ARGS}}

# The feature `otel`: its lints, that it changes no name by itself, and the tests of its names and of the example that exports to a collector. The features of
# all others stay as they are in `test`, so that little is built anew.
otel:
    cargo clippy -p karat-lm -p karat --lib --features otel --locked -- -D warnings
    cargo test --workspace --features karat-tests/otel,karat-examples/otel --locked --test otel --test telemetry

# karat-lm and karat without their default features and with each alone, the unit tests without any, and the web's target.
features:
    #!/usr/bin/env bash
    set -euo pipefail
    check() { RUSTFLAGS="-D warnings" cargo check --lib --no-default-features --locked --target-dir target/features "$@"; }
    for crate in karat-lm karat; do check -p "$crate"; done
    for feature in http otel; do check -p karat-lm --features "$feature"; done
    for feature in http progress otel; do check -p karat --features "$feature"; done
    for crate in karat-lm karat; do cargo test -p "$crate" --lib --no-default-features --locked --target-dir target/features; done
    if rustup target add wasm32-unknown-unknown; then
        for crate in karat-lm karat; do check -p "$crate" --target wasm32-unknown-unknown; done
    else
        echo "SKIPPED: no target wasm32-unknown-unknown here, so karat-lm and karat were not checked for it"
    fi

# An application's dependencies, counted: at most 120 crates.
tree:
    #!/usr/bin/env bash
    set -euo pipefail
    crates=$(cargo tree -p karat-examples --locked -e normal --prefix none --no-dedupe | sort -u | wc -l)
    echo "crates in the default build of an application: $crates (at most 120)"
    test "$crates" -le 120

# Each published crate by itself and each feature by itself, with the oldest Rust that they declare; the examples with it, for
# what the macros write.
msrv:
    #!/usr/bin/env bash
    set -euo pipefail
    version=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    if ! command -v rustup >/dev/null; then
        echo "SKIPPED: no rustup, so the crates were not checked with Rust $version"
        exit 0
    fi
    rustup toolchain install "$version" --profile minimal --no-self-update
    check() { cargo "+$version" check --locked --target-dir target/msrv "$@"; }
    check -p karat-macros
    for crate in karat-lm karat; do
        check -p "$crate"
        check -p "$crate" --no-default-features
        check -p "$crate" --features otel
    done
    check -p karat-examples --bins

# What would be published, built from its packages: in this order, for each uses those before it.
package:
    cargo publish --dry-run --locked --allow-dirty -p karat-lm -p karat-macros -p karat

# The benchmarks; see docs/benchmarks.md for what they show.
bench *ARGS:
    cargo bench -p karat --locked {{ARGS}}

# How the time of reading grows, up to so many MiB; `just growth 4 XML` runs the rows with this in their name.
growth MIB="16" NAME="":
    GLIBC_TUNABLES=glibc.malloc.mmap_threshold=17179869184:glibc.malloc.trim_threshold=17179869184 \
        cargo bench -p karat --locked --bench growth -- {{MIB}} "{{NAME}}"

# The soak, a million calls; see docs/reliability.md.
soak CALLS="1000000":
    cargo test -p karat-tests --release --locked --test soak -- {{CALLS}}

# What a rebuild of a program with one signature costs.
bench-build:
    scripts/bench-build

# Licences, bans and advisories of the dependencies (needs cargo-deny and the network).
deny:
    cargo deny check

# The quick start: README's first command.
quickstart:
    scripts/quickstart

# The local model: `just local-lm start`, `just local-lm stop`, ...
local-lm *ARGS:
    scripts/local-lm {{ARGS}}

# The tests of the local model's script.
test-local-lm:
    scripts/test-local-lm
