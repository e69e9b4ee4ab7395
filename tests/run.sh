#!/usr/bin/env bash
# Runs all tests:  tests/run.sh [filter for the integration tests]
#
# Needs a Rust toolchain, a C compiler and make; what is missing of the latter two is installed with apt where this runs
# as root. Every test starts its own server on a free port with its own folder, so they run at once.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v cc >/dev/null || ! command -v make >/dev/null; then
  echo "tests/run.sh: no C compiler or no make; installing build-essential" >&2
  apt-get update -qq && apt-get install -y -qq build-essential
fi
if ! command -v cargo >/dev/null; then
  echo "tests/run.sh: cargo is missing; install Rust 1.95 or later from https://rustup.rs" >&2
  exit 1
fi

cargo test --locked --lib --bins --test main -- "$@"
[ $# -gt 0 ] || cargo test --locked --doc
