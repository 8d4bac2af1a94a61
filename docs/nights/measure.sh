#!/bin/sh
# Measures what the nights promise and writes gate.jsonl, nights.jsonl and nights.html beside this file. It takes about an hour and a
# half on two cores, and goes on where it was when it is started again. Records are kept in bench-gate and bench-nights.
set -eu
cd "$(dirname "$0")/../.."
go build -o bin/ ./cmd/nightshift ./cmd/nightlab
status=0 # 1 where something falls short; it is measured all the same
bin/nightlab gate --dir bench-gate --json >docs/nights/gate.jsonl || status=$?
bin/nightlab nights --dir bench-nights --page docs/nights/nights.html --json >docs/nights/nights.jsonl || status=$?
exit $status
