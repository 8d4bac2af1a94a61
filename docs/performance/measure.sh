#!/bin/sh
# Measures everything that docs/performance.md shows and writes the page. It takes an hour and a quarter on two cores, of which
# decode is 25 minutes, serve 20 and invariance 12; nothing else should run. What is judged has ten blocks or more. The random
# models take about 12 GB in the cache. Names of benchmarks as arguments measure only those: docs/performance/measure.sh decode swap
set -eu
cd "$(dirname "$0")/../.."
go build -o bin/ ./cmd/nightshift ./cmd/nightlab
redis=${NIGHTSHIFT_TEST_REDIS:-}

failed=
measure() { # FILE BENCHMARK FLAGS...
	file=docs/performance/$1.jsonl
	shift
	case $1 in
	roofline | decode | prefill | serve | quantize | train) program="nightshift bench" ;;
	*) program=nightlab ;;
	esac
	echo "$program $*" >&2
	bin/$program "$@" --json >"$file.blocks" || failed="$failed\n$program $*" # its lines say what it found
	grep -v '"block":' "$file.blocks" >"$file"
	rm "$file.blocks"
}

for what in ${*:-roofline decode prefill serve adapters swap versions prefix steps lookup invariance quantize start night-memory ingest busy train}; do
	case $what in
	roofline) measure roofline roofline ;;
	decode)
		measure decode-batch decode --batch 1,2,4,8,16,32,64 --weights f32,int8,int4 --blocks 10
		measure decode-mixed decode --batch 8,16 --prompt 128 --mixed --weights f32,int8 --blocks 10
		measure decode-context decode --batch 1 --prompt 224,480,960 --blocks 10
		for shape in demo gpt2 gpt2-medium gpt2-large gpt2-xl; do
			measure decode-shape-$shape decode --shape $shape --batch 1 --tokens 32 --blocks 10
		done
		;;
	prefill) measure prefill prefill --weights f32,int8,int4 --blocks 10 ;;
	serve)
		measure serve serve --concurrency 1,4,8,16,32 --rate 2 --duration 5s --blocks 10
		measure serve-int8 serve --weights int8 --concurrency 1,4,8,16,32 --blocks 10
		;;
	adapters) measure adapters adapters --blocks 10 ;;
	swap) measure swap swap --blocks 10 ;;
	versions) measure versions versions --requests 96 --blocks 2 ;;
	prefix) measure prefix prefix ;;
	steps) measure steps steps --weights f32,int8,int4 ;;
	lookup) measure lookup lookup ;;
	invariance)
		measure invariance invariance --weights f32,int8
		measure invariance-int4 invariance --weights int4 # on x86 without VNNI not all are identical
		measure invariance-gpt2 invariance --shape gpt2 --requests 100 --weights f32,int8
		;;
	quantize) measure quantize quantize ;;
	start) for weights in f32 int8 int4; do measure start-$weights start --weights $weights --blocks 10; done ;;
	night-memory) measure night-memory night-memory ;;
	ingest) measure ingest ingest --writers 256 --interactions 6000 ${redis:+--redis $redis} --blocks 10 ;;
	busy) for weights in f32 int8 int4; do measure busy-$weights busy --weights $weights --tokens 32 --blocks 10; done ;;
	train)
		measure train train
		measure train-rows-2 train --rows 2
		;;
	*) echo "there is no benchmark $what" >&2 && exit 1 ;;
	esac
done
bin/nightlab report --out docs/performance.md docs/performance/*.jsonl
[ -z "$failed" ] || { printf 'not as it should be:%b\n' "$failed" >&2 && exit 1; }
