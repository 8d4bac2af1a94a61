#!/bin/sh
# Measures what docs/continual.md shows and writes continual.json, continual-runs.jsonl and continual.html beside it. It takes
# more than an hour on two cores and goes on where it was: runs that continual-runs.jsonl has already, of the same model and settings, are
# not run again.
set -eu
cd "$(dirname "$0")/.."
go build -o bin/ ./cmd/nightshift ./cmd/nightlab
mkdir -p bench-continual
[ -e bench-continual/runs.jsonl ] || [ ! -e docs/continual-runs.jsonl ] || cp docs/continual-runs.jsonl bench-continual/runs.jsonl
status=0
bin/nightlab continual --dir bench-continual || status=$?
cp bench-continual/runs.jsonl docs/continual-runs.jsonl
[ $status = 0 ] || exit $status
cp bench-continual/results.json docs/continual.json
cp bench-continual/report.html docs/continual.html
