#!/usr/bin/env bash
# Runs all tests:  tests/run.sh [filter for the integration tests]
#
# Needs a Rust toolchain, a C compiler and make, and for the tests with OpenAI's SDKs, Stripe's and a reference for
# cron Python with venv and Node with npm, and for those of the dashboard Chromium and its driver.
# What is missing but Rust is installed with apt where this runs as root; the SDKs go into the target folder, once.
# Every test starts its own server on a free port with its own folder, so they run at once.
set -euo pipefail
cd "$(dirname "$0")/.."

# need COMMAND PACKAGE...: installs the packages unless the command works.
need() {
  if ! eval "$1" >/dev/null 2>&1; then
    shift
    echo "tests/run.sh: installing $*" >&2
    apt-get update -qq && apt-get install -y -qq "$@"
  fi
}

# is_new FILE FOLDER: whether the folder was not made from this file, which is copied last.
is_new() { ! cmp -s "$1" "$2/$(basename "$1")"; }

install_python_sdk() {
  need "python3 -c 'import ensurepip, venv'" python3-venv &&
    rm -rf "$sdks/python" && python3 -m venv "$sdks/python" &&
    "$sdks/python/bin/pip" install --quiet --requirement tests/sdk/requirements.txt &&
    cp tests/sdk/requirements.txt "$sdks/python"
}

install_node_sdk() {
  need "npm --version" nodejs npm &&
    rm -rf "$sdks/node" "$sdks/new" && mkdir -p "$sdks/new" &&
    cp tests/sdk/package.json tests/sdk/package-lock.json "$sdks/new" &&
    npm ci --prefix "$sdks/new" --no-audit --no-fund --loglevel error &&
    mv "$sdks/new" "$sdks/node"
}

# Where SKAI_TEST_CHROMEDRIVER names another, nothing is missing.
install_browser() {
  need "${SKAI_TEST_CHROMEDRIVER:-chromedriver} --version" chromium chromium-driver ||
    echo "tests/run.sh: Chromium could not be installed" >&2
}

# One that cannot be installed stops no other test; its own fail and say so.
install_sdks() {
  ! is_new tests/sdk/requirements.txt "$sdks/python" || install_python_sdk ||
    echo "tests/run.sh: the SDK for Python could not be installed" >&2
  ! is_new tests/sdk/package-lock.json "$sdks/node" || install_node_sdk ||
    echo "tests/run.sh: the SDK for Node could not be installed" >&2
}

need "cc --version && make --version" build-essential
if ! command -v cargo >/dev/null; then
  echo "tests/run.sh: cargo is missing; install Rust 1.95 or later from https://rustup.rs" >&2
  exit 1
fi
# The tests look there by themselves too, so that a plain `cargo test` finds what was installed once.
sdks="${CARGO_TARGET_DIR:-$PWD/target}/tmp/sdks"
install_sdks
install_browser

# A test has a thousand connections open, both ends in its process; many systems allow a thousand files in all.
ulimit -n 8192 2>/dev/null || true

SKAI_TEST_SDKS="$sdks" cargo test --locked --lib --bins --test main -- "$@"
[ $# -gt 0 ] || cargo test --locked --doc
