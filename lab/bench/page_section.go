package bench

import (
	"fmt"
	"math"
	"strings"
)

// section is a part of the page: lines of one benchmark, grouped by some fields and drawn over another.
type section struct {
	name, title string
	bench       string
	cases       []string // none: all
	by          []string // fields that a group has in common
	x           string   // the field that the lines of a group differ in
	minLines    int      // lines that a group must have
	summary     bool     // what is shown is in the summaries of runs
	columns     []column
	peers       bool   // columns of the ratios to peers are added
	drawn       string // the figure of the chart; "" is none
}

// column is a figure of a table.
type column struct {
	figure, title string
	percent       bool
	show          func(float64) string // in place of that
	atLeast       string               // the figure that says what is asked of it; "" is none
}

func tenths(v float64) string       { return fmt.Sprintf("%.1f %%", 100*v) }
func fourDecimals(v float64) string { return fmt.Sprintf("%.4f", v) }

var (
	rate       = column{figure: "tokens_per_second", title: "tokens/s"}
	ofLimit    = column{figure: roofline, title: "of the limit", percent: true}
	limit      = column{figure: "ceiling_tokens_per_second", title: "limit, tokens/s"}
	bandwidth  = column{figure: "bandwidth_gb_s", title: "memory, GB/s"}
	matrixRate = column{figure: "matrix_gflop_s", title: "matrices, GFLOP/s"}
	stepP50    = column{figure: "step_ms_p50", title: "step p50, ms"}
	stepP99    = column{figure: "step_ms_p99", title: "step p99, ms"}
	ttftP50    = column{figure: "ttft_ms_p50", title: "first token p50, ms"}
	ttftP99    = column{figure: "ttft_ms_p99", title: "p99, ms"}
	itlP50     = column{figure: "itl_ms_p50", title: "between tokens p50, ms"}
	itlP99     = column{figure: "itl_ms_p99", title: "p99, ms"}
	failed     = column{figure: "failed", title: "failed"}
	overFirst  = column{figure: "over_f32", title: "to f32"}
)

// sections are the parts of the page, in order.
var sections = []section{
	{name: "roofline", title: "What the machine gives", bench: "roofline", x: "threads", minLines: 1, columns: []column{
		bandwidth, {figure: "bandwidth_matvec_gb_s", title: "row times matrix"}, {figure: "bandwidth_reduce_gb_s", title: "sum of rows"}, {figure: "bandwidth_go_gb_s", title: "loop in Go"},
		matrixRate, {figure: "int8_u8u8_gop_s", title: "u8 × u8, GOP/s"}, {figure: "int8_u8s8_gop_s", title: "u8 × s8, GOP/s"}}},
	{name: "decode-batch", peers: true, title: "Decoding, by batch size", bench: "decode", cases: []string{""}, by: []string{"shape", "weights", "context"}, x: "batch", minLines: 2,
		columns: []column{rate, ofLimit, limit, overFirst, stepP50, stepP99}, drawn: "tokens_per_second"},
	{name: "decode-mixed", title: "Decoding, prompts of mixed lengths", bench: "decode", cases: []string{mixedCase}, by: []string{"shape", "weights", "context"}, x: "batch", minLines: 1,
		columns: []column{rate, ofLimit, {figure: "over_alike", title: "to prompts of one length", percent: true}, stepP50, stepP99}},
	{name: "decode-context", title: "Decoding, by context", bench: "decode", cases: []string{""}, by: []string{"shape", "weights", "batch"}, x: "context", minLines: 2,
		columns: []column{rate, ofLimit, limit, overFirst, stepP50, stepP99}, drawn: "tokens_per_second"},
	{name: "decode-shape", title: "Decoding, by size of the model", bench: "decode", cases: []string{""}, by: []string{"weights", "batch", "context"}, x: "shape", minLines: 2,
		columns: []column{rate, ofLimit, limit, overFirst, stepP50, stepP99}, drawn: "tokens_per_second"},
	{name: "prefill", peers: true, title: "Reading prompts", bench: "prefill", by: []string{"shape", "weights"}, x: "prompt", minLines: 1,
		columns: []column{rate, ofLimit, limit, overFirst, {figure: "first_token_ms_p50", title: "first token p50, ms"}, {figure: "first_token_ms_p99", title: "p99, ms"}}, drawn: "tokens_per_second"},
	{name: "serve", peers: true, title: "Serving over HTTP, clients that wait for their answers", bench: "serve", cases: []string{"http"}, by: []string{"shape", "weights"}, x: "concurrency", minLines: 1,
		columns: []column{rate, ofLimit, {figure: "over_engine", title: "of the bare engine", percent: true}, ttftP50, ttftP99, itlP50, itlP99, failed}, drawn: "tokens_per_second"},
	{name: "serve-open", title: "Serving over HTTP, requests that arrive by themselves", bench: "serve", cases: []string{"http-open"}, by: []string{"shape", "weights"}, x: "rate", minLines: 1,
		columns: []column{rate, ofLimit, {figure: "over_engine", title: "of the bare engine", percent: true}, ttftP50, ttftP99, itlP50, itlP99, failed}},
	{name: "adapters", title: "Adapters in a batch", bench: "adapters", cases: []string{"base", "one", "mixed"}, by: []string{"shape", "weights", "batch"}, x: "case", minLines: 1,
		columns: []column{rate, {figure: "mixed_over_one", title: "to one adapter", percent: true}, {figure: "mixed_over_base", title: "to the base model", percent: true}, stepP50, stepP99}},
	{name: "adapters-registered", title: "Registered adapters", bench: "adapters", cases: []string{"registered"}, by: []string{"shape", "weights", "batch"}, x: "adapters", minLines: 1,
		columns: []column{rate, {figure: "over_base", title: "to the base model", percent: true}, stepP50, stepP99}, drawn: "tokens_per_second"},
	{name: "swap", title: "Swapping versions under load", bench: "swap", by: []string{"shape", "weights"}, x: "concurrency", minLines: 1, summary: true,
		columns: []column{rate, {figure: "itl_p99_ratio", title: "between tokens p99, to the same without swaps"}, itlP50, itlP99, {figure: "swaps", title: "swaps"}, {figure: "swap_ms_p50", title: "swap p50, ms"},
			{figure: "answers", title: "answers"}, failed, {figure: "mixed_versions", title: "mixed"}}},
	{name: "versions", title: "Many registered versions", bench: "versions", by: []string{"shape", "weights"}, x: "bank_rows", minLines: 1, summary: true,
		columns: []column{{figure: "versions", title: "versions"}, rate, {figure: "over_one", title: "to one version", percent: true}, {figure: "hit_rate", title: "resident", percent: true},
			{figure: "adapter_wait_ms_p50", title: "wait for the adapter p50, ms"}, {figure: "adapter_wait_ms_p99", title: "p99, ms"}, {figure: "adapter_wait_max_ms", title: "longest, ms"},
			{figure: "first_wait_ms_p50", title: "the first time p50, ms"}, failed}},
	{name: "prefix", title: "Prompts that begin alike", bench: "prefix", by: []string{"shape", "weights", "system"}, x: "case", minLines: 1,
		columns: []column{ttftP50, ttftP99, {figure: "warm_over_cold", title: "to cold", percent: true}, {figure: "known_tokens", title: "known tokens"}}},
	{name: "steps", title: "Steps of several tokens", bench: "steps", by: []string{"shape", "weights", "prompt"}, x: "tokens", minLines: 1,
		columns: []column{{figure: "step_ms", title: "step, ms"}, {figure: "over_one", title: "to a step of one token"}}},
	{name: "lookup", title: "Drafts from what was said before", bench: "lookup", cases: []string{"new plain", "new lookup", "again plain", "again lookup"},
		by: []string{"shape", "weights", "batch"}, x: "case", minLines: 1,
		columns: []column{rate, {figure: "over_plain", title: "to no drafts, asked again"}, {figure: "new_over_plain", title: "asked first"}, {figure: "tokens_per_step", title: "tokens per step"},
			{figure: "accepted_share", title: "of the draft right", percent: true}}},
	{name: "lookup-parted", title: "Answers that drafts changed", bench: "lookup", by: []string{"shape", "weights"}, x: "longest", minLines: 1, summary: true,
		columns: []column{{figure: "answers", title: "answers"}, {figure: "parted", title: "changed"}, {figure: "not_tied", title: "where no two tokens are equally likely"},
			{figure: "largest_gap", title: "largest gap, nats"}, {figure: "rounding", title: "gaps are rounded by, nats"}}},
	{name: "lookup-partings", title: "Where drafts changed answers", bench: "lookup", cases: []string{partedCase}, by: []string{"shape", "weights"}, x: "answer", minLines: 1,
		columns: []column{{figure: "position", title: "token"}, {figure: "gap", title: "gap, nats"}, {figure: "rounding", title: "gaps are rounded by, nats"}, {figure: "tie", title: "a tie"}}},
	{name: "invariance", title: "The same answers alone and in batches", bench: "invariance", by: []string{"shape", "weights"}, x: "case", minLines: 1,
		columns: []column{{figure: "requests", title: "answers"}, {figure: "identical", title: "identical to the bit"}, {figure: "strangers", title: "strangers among them"},
			{figure: "rows_per_step", title: "sequences a step"}, {figure: "prefix_hits", title: "prefixes known"}}},
	{name: "quantize", title: "What int8 and int4 cost in quality", bench: "quantize", cases: []string{Shipped, Outliers}, by: []string{"case"}, x: "weights", minLines: 1,
		columns: []column{{figure: "nats_per_token", title: "nats per token", show: fourDecimals}, {figure: "change", title: "change", show: fourDecimals}, {figure: "standard_error", title: "standard error", show: fourDecimals},
			{figure: "facts_right", title: "right facts", show: tenths}, {figure: "facts_kept", title: "kept", show: tenths}, {figure: "refusals", title: "refusals", show: tenths},
			{figure: "refusals_kept", title: "kept", show: tenths}, {figure: "worst_linear_error", title: "relative error of the worst linear"}, {figure: "size_mb", title: "weights, MB"}}},
	{name: "start", title: "Starting, and memory", bench: "start", by: []string{"weights"}, x: "shape", minLines: 1,
		columns: []column{{figure: "ready_ms", title: "ready, ms"}, {figure: "weights_mb", title: "weights, MB"}, {figure: "rss_mb", title: "resident, MB"}, {figure: "anonymous_mb", title: "of that its own, MB"},
			{figure: "file_mb", title: "of files, MB"}, {figure: "kv_mb", title: "keys and values, MB"}, {figure: "rss_over_use", title: "resident to weights, keys and values"}, {figure: "idle_cpu_percent", title: "idle, % of a core"}}},
	{name: "night-memory", title: "Memory while a night runs", bench: "night-memory", by: []string{"shape", "weights"}, x: "case", minLines: 1,
		columns: []column{{figure: "rss_mb", title: "resident, MB"}, {figure: "anonymous_mb", title: "of that its own, MB"}, {figure: "file_mb", title: "of files, MB"}}},
	{name: "ingest", title: "Recording", bench: "ingest", cases: []string{"local", "redis"}, by: []string{"writers"}, x: "case", minLines: 1,
		columns: []column{{figure: "durable_per_second", title: "durable, a second"}, {figure: "shipped_per_second", title: "in the store, a second"}, {figure: "added_ms_p50", title: "added to an answer p50, ms"},
			{figure: "added_ms_p99", title: "p99, ms"}, {figure: "lost", title: "lost"}}},
	{name: "ingest-http", title: "What recording adds over HTTP", bench: "ingest", cases: []string{recordedCase}, by: []string{"prompt"}, x: "tokens", minLines: 1,
		columns: []column{{figure: "recorded_ms_p50", title: "recorded p50, ms"}, {figure: "unrecorded_ms_p50", title: "not recorded, ms"}, {figure: "added_http_ms_p50", title: "added, ms"},
			{figure: "recorded_ms_p99", title: "recorded p99, ms"}, {figure: "unrecorded_ms_p99", title: "not recorded, ms"}, {figure: addedHTTP, title: "added, ms"}, {figure: "requests", title: "requests"}}},
	{name: "busy", title: "Beside a busy neighbour", bench: "busy", cases: []string{"neighbour"}, by: []string{"shape", "weights"}, x: "batch", minLines: 1,
		columns: []column{rate, {figure: "share_of_quiet", title: "of the quiet rate", percent: true}, stepP50, stepP99}},
	{name: "train", title: "Training", bench: "train", by: []string{"weights", "batch", "columns"}, x: "shape", minLines: 1,
		columns: []column{rate, ofLimit, matrixRate, stepP50, {figure: "peak_rss_mb", title: "peak memory, MB"}}},
}

// table writes the figures of all groups.
func (s section) table(out *strings.Builder, groups []group) {
	var columns []column
	for _, c := range s.columns {
		if c.in(groups) {
			columns = append(columns, c)
		}
	}
	fmt.Fprintf(out, "\n| %s |", s.x)
	for _, c := range columns {
		fmt.Fprintf(out, " %s |", c.title)
	}
	out.WriteString("\n|---|" + strings.Repeat("---:|", len(columns)) + "\n")
	for _, g := range groups {
		for _, l := range g.lines {
			first := s.label(l)
			if g.key != "" {
				first = g.key + ": " + first
			}
			fmt.Fprintf(out, "| %s |", first)
			for _, c := range columns {
				fmt.Fprintf(out, " %s |", c.cell(l))
			}
			out.WriteString("\n")
		}
	}
}

// label is a line's x.
func (s section) label(l Result) string {
	if v, ok := l.Figure(s.x); ok {
		return short(v)
	}
	return text(l, s.x)
}

// in says whether a line has the column's figure.
func (c column) in(groups []group) bool {
	for _, g := range groups {
		for _, l := range g.lines {
			if _, ok := l.Figure(c.figure); ok {
				return true
			}
		}
	}
	return false
}

// cell is a figure, with its interval where there is one.
func (c column) cell(l Result) string {
	v, ok := l.Figure(c.figure)
	if !ok {
		return ""
	}
	low, haveLow := l.Figure(c.figure + "_low")
	high, haveHigh := l.Figure(c.figure + "_high")
	show := short
	if c.percent {
		show = func(v float64) string { return fmt.Sprintf("%.0f %%", 100*v) }
	}
	if c.show != nil {
		show = c.show
	}
	if haveLow && haveHigh {
		return fmt.Sprintf("%s (%s to %s)", show(v), show(low), show(high))
	}
	if needed, ok := l.Figure(c.atLeast); ok && v >= needed {
		return show(v) + " ≥ " + show(needed)
	} else if ok {
		return show(v) + " < " + show(needed)
	}
	return show(v)
}

// short is a number with three digits, or all of those before the point.
func short(v float64) string {
	switch a := math.Abs(v); {
	case v == math.Trunc(v) || a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	case a >= 0.1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.2g", v)
}

// barWidth is the length of the longest bar.
const barWidth = 50

// chart draws a bar for each line, all to one scale.
func (s section) chart(out *strings.Builder, groups []group) {
	largest, label := 0.0, len(s.x)
	for _, g := range groups {
		for _, l := range g.lines {
			v, _ := l.Figure(s.drawn)
			largest, label = max(largest, v), max(label, len(s.label(l)))
		}
	}
	if s.drawn == "" || largest == 0 {
		return
	}
	out.WriteString("\n```\n")
	for i, g := range groups {
		if i > 0 {
			out.WriteString("\n")
		}
		fmt.Fprintf(out, "%*s  %s\n", label, s.x, strings.Trim(strings.ReplaceAll(s.drawn, "_per_second", "/s")+", "+g.key, ", "))
		for _, l := range g.lines {
			if v, ok := l.Figure(s.drawn); ok {
				fmt.Fprintf(out, "%*s  %s %s\n", label, s.label(l), bar(v/largest), short(v))
			}
		}
	}
	out.WriteString("```\n")
}

// bar is a bar for a share of the longest one, in eighths of a character.
func bar(share float64) string {
	eighths := int(math.Round(share * barWidth * 8))
	return strings.Repeat("█", eighths/8) + []string{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"}[eighths%8]
}
