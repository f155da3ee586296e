#!/bin/sh
# All tests. The ones with a broker that is not ours need Debian's Mosquitto: it is installed if
# it is missing and this is a Debian system.
set -eu
cd "$(dirname "$0")"

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

PATH=$PATH:/usr/sbin
if ! { command -v mosquitto && command -v mosquitto_sub; } >/dev/null 2>&1; then
    if command -v apt-get >/dev/null 2>&1; then
        as_root apt-get update -qq
        as_root apt-get install -y -qq --no-install-recommends mosquitto mosquitto-clients
    else
        echo "please install mosquitto and its clients first" >&2
        exit 1
    fi
fi
# Most tests of programs and brokers wait: more of them than there are cores run at a time.
export RUST_TEST_THREADS="${RUST_TEST_THREADS:-$(($(nproc) * 2))}"
exec cargo test --workspace "$@"
