#!/bin/sh
# Measures everything that docs/performance.md shows and writes the page. It takes about two hours on two cores; nothing else
# should run. Names of benchmarks as arguments measure only those: docs/performance/measure.sh decode swap
set -eu
cd "$(dirname "$0")/../.."
go build -o bin/nightshift .
redis=${NIGHTSHIFT_TEST_REDIS:-}

measure() { # FILE BENCHMARK FLAGS...
	file=docs/performance/$1.jsonl
	shift
	echo "nightshift bench $*" >&2
	bin/nightshift bench "$@" --json >"$file.blocks"
	grep -v '"block":' "$file.blocks" >"$file"
	rm "$file.blocks"
}

for what in ${*:-roofline decode prefill serve adapters swap versions prefix invariance start ingest busy train}; do
	case $what in
	roofline) measure roofline roofline ;;
	decode)
		measure decode-batch decode --batch 1,2,4,8,16,32,64
		measure decode-context decode --batch 1 --prompt 32,224,480,960
		for shape in demo gpt2 gpt2-medium gpt2-large gpt2-xl; do
			measure decode-shape-$shape decode --shape $shape --batch 1
		done
		;;
	prefill) measure prefill prefill ;;
	serve) measure serve serve --rate 1,2 ;;
	adapters) measure adapters adapters ;;
	swap) measure swap swap ;;
	versions) measure versions versions ;;
	prefix) measure prefix prefix ;;
	invariance)
		measure invariance invariance --weights f32,int8
		measure invariance-gpt2 invariance --shape gpt2 --requests 100 --weights f32,int8
		;;
	start) measure start start ;;
	ingest) measure ingest ingest ${redis:+--redis $redis} ;;
	busy) measure busy busy ;;
	train) measure train train ;;
	*) echo "there is no benchmark $what" >&2 && exit 1 ;;
	esac
done
bin/nightshift bench report --out docs/performance.md docs/performance/*.jsonl
