# The project's chores. `just` alone lists them.

_list:
    @just --list --unsorted

# Everything a change must pass; `.ci/run` does the same on a bare machine and installs the tools
check: format lint test deny unused typos

# Formatting, without changing anything
format:
    cargo fmt --check

# Clippy, where every warning is an error
lint:
    cargo clippy --all-targets --locked -- -D warnings

# Every test on SQLite and on PostgreSQL; also that openapi/openapi.json is what the binary prints
test *args:
    cargo test --locked {{ args }}

# Licences, advisories, banned crates, sources
deny:
    .ci/deny

# Dependencies that nothing uses
unused:
    cargo machete

# Misspelt words
typos:
    typos

# Measures durable writes on SQLite against the raw fsync rate of the same run
bench-writes *folder:
    cargo bench --locked --bench writes -- {{ folder }}

# Measures the server beside the limit and the alternatives, at these sizes (needs PostgreSQL, wrk, Node.js, Python); `just bench --quick` shows that it works
bench *args:
    bench/run {{ args }}

# How well a search finds what is meant, beside PostgreSQL full text and trigrams in the same run
relevance *seeds:
    cargo bench --locked --bench relevance -- {{ seeds }}

# Writes openapi/openapi.json from the code
openapi:
    mkdir -p openapi
    cargo run --locked --quiet -- openapi > openapi/openapi.json.new
    mv openapi/openapi.json.new openapi/openapi.json

# Reads /docs in a real browser and executes a request from it (needs Node.js and Chromium)
docs-page:
    cargo build --release --locked
    cd tests/browser && npm ci
    node tests/browser/docs-page.mjs target/release/gouvtech-catalogue

# Tries to inject SQL with sqlmap, and the same at a server that lets it (needs Python and sqlmap)
injection binary="target/release/gouvtech-catalogue":
    python3 tests/injection/injection.py {{ binary }}

# The document: linted, made into a client that is driven, held against a running server (needs Node.js and Python)
contract *args:
    cargo build --locked
    tests/contract/check target/debug/gouvtech-catalogue {{ args }}

# What breaks around the program and must not break it, in the short form; names as arguments choose rows
faults *args:
    cargo test --locked --test faults -- {{ args }}

# The long forms, for hours and not for minutes; root, and the Debian packages that `.ci/run` names
nightly:
    cargo build --release --locked
    GOUVTECH_FAULTS=long cargo test --release --locked --test faults
    # A million changed proofs, none of which may be believed.
    cargo test --release --locked --lib -- --ignored no_proof_of_a_million
    just bench-writes
    just contract long
    just injection
    just fuzz 600
    just mutants

# Feeds every parser what libFuzzer makes up, so many seconds each (needs a C++ compiler)
fuzz seconds="60" *targets:
    fuzz/run {{ seconds }} {{ targets }}

# Changes the code of authorisation, states and preconditions, and wants a test to fail each time (needs cargo-mutants)
mutants *args:
    # Unit tests first, in seconds; what they let live goes through the cases of the API.
    cargo mutants --cargo-arg=--lib {{ args }} || case $? in 2|3) ;; *) exit 1 ;; esac
    cargo mutants --iterate --cargo-arg=--lib --cargo-arg=--test=api {{ args }} -- -- --skip postgres::

# Serves the demonstration catalogue on http://127.0.0.1:8080/docs
demo *args:
    cargo run --release --locked -- serve --demo {{ args }}
