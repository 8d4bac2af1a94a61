#!/bin/sh
# Measures what docs/continual.md shows and writes continual.json and continual.html beside it. It takes more than an hour on two cores and
# goes on where it was: runs that bench-continual/runs.jsonl has already, of the same model and settings, are not run again.
set -eu
cd "$(dirname "$0")/.."
go build -o bin/ ./cmd/nightshift ./cmd/nightlab
status=0
bin/nightlab continual --dir bench-continual || status=$?
[ $status = 0 ] || exit $status
cp bench-continual/results.json docs/continual.json
cp bench-continual/report.html docs/continual.html
