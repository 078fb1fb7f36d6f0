# The tasks of a developer; `just` alone lists them.

_list:
    @just --list

# Format everything
fmt:
    cargo fmt --all

# Formatting and lints, as the CI has them
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- --deny warnings

# Build everything, then run all tests
test:
    cargo build --workspace && cargo test --workspace

# Documentation of the crates, without those that they use
doc:
    RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --no-deps

# Licences, sources and duplicates of what is used (needs cargo-deny)
deny:
    cargo deny check bans licenses sources

# Write protocol/schema and kdn/schema/output anew from the types
schema:
    cargo run --quiet -p kdn-protocol --features schema --example schema
    cargo test --quiet -p kdn --lib config::schema::tests::write -- --ignored

# Measure; bubblewrap is the yardstick of sandboxes, and each engine of its containers, where they are installed
bench:
    cargo build --release --workspace
    cargo bench -p kdn -p kdn-runtime-sandbox -p kdn-runtime-container
    target/release/kdn-conformance run --quick --jobs 16 --fixture conformance/fixtures/fake.json target/release/kdn-runtime-fake | tail -n 1
    target/release/kdn-conformance run --fixture conformance/fixtures/fake.json target/release/kdn-runtime-fake | tail -n 1

# Whether each defect of the reference driver makes fail what it should, and nothing else that is quick (most of an hour)
matrix:
    cargo build --workspace
    KDN_MATRIX=full cargo test -p kdn-conformance --test matrix

# All that the CI does
ci:
    .ci/run
