#!/bin/sh
# Runs load tests against a server of its own: the model that ships, two small random adapters to swap between, a temporary
# data directory, a free port and a new key. SCRIPTS names the tests; what k6 reads from the environment (VUS, DURATION, ...)
# reaches them. Ends the server that it started, and fails when a test does. Called by "make loadtest", which builds k6 first.
set -eu
cd "$(dirname "$0")/.."

GO=${GO:-go}
program=bin/nightshift
k6=.cache/k6
dir=$(mktemp -d "${TMPDIR:-/tmp}/nightshift-loadtest-XXXXXX")
pid=

cleanup() {
  status=$?
  trap - EXIT
  if [ -n "$pid" ]; then
    kill "$pid" 2>/dev/null || true
    wait "$pid" || true
  fi
  if [ "$status" = 0 ]; then
    rm -rf "$dir"
  else
    echo "data and the server's log are in $dir" >&2
  fi
  exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

key=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
cat >"$dir/nightshift.yaml" <<CONFIG
data: $dir/data
keys:
  - name: loadtest
    key: $key
    roles: [admin]
update:
  schedule: ""
CONFIG
chmod 600 "$dir/nightshift.yaml"

$GO run ./loadtest/adapters "$dir/one" "$dir/two"
"$program" import --config "$dir/nightshift.yaml" "$dir/one"
"$program" import --config "$dir/nightshift.yaml" "$dir/two" --activate

# The server is ready when it says so. It may find the port taken: then another one is tried.
start() {
  port=$(od -An -N2 -tu2 /dev/urandom | awk '{ print 20000 + $1 % 12000 }')
  : >"$dir/server.out"
  "$program" run --config "$dir/nightshift.yaml" --listen "127.0.0.1:$port" >"$dir/server.out" 2>"$dir/server.log" &
  pid=$!
  while ! grep -q 'is ready' "$dir/server.out"; do
    if ! kill -0 "$pid" 2>/dev/null; then
      wait "$pid" || true
      pid=
      return 1
    fi
    sleep 0.1
  done
}

tries=0
until start; do
  tries=$((tries + 1))
  if [ "$tries" = 3 ] || ! grep -q 'address already in use' "$dir/server.log"; then
    cat "$dir/server.log" >&2
    exit 1
  fi
done

failed=
for script in ${SCRIPTS:-smoke swap-under-load}; do
  BASE_URL="http://127.0.0.1:$port" API_KEY=$key K6_NO_USAGE_REPORT=true K6_AUTO_EXTENSION_RESOLUTION=false \
    "$k6" run --quiet "loadtest/$script.js" || failed="$failed $script"
done
if [ -n "$failed" ]; then
  echo "failed:$failed" >&2
  exit 1
fi
