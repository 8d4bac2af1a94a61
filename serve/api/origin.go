package api

import (
	"strings"
	"time"

	"nightshift/internal/engine"
	"nightshift/internal/registry"
	"nightshift/serve/api/wire"
)

// timingsOf says where the time of a choice went.
func timingsOf(r engine.Result) *wire.Timings {
	ms := func(d time.Duration) float64 { return d.Seconds() * 1e3 }
	itl := r.InterTokenLatency()
	t := &wire.Timings{
		QueueMS: ms(r.Timings.Queue), PrefillMS: ms(r.Timings.Prefill), DecodeMS: ms(r.Timings.Decode), FirstTokenMS: ms(r.Timings.FirstToken),
		Tokens: r.Tokens, InterTokenP50MS: ms(itl.P50), InterTokenP99MS: ms(itl.P99), InterTokenMaxMS: ms(itl.Max),
	}
	if d := r.Timings.Decode.Seconds(); d > 0 && r.Tokens > 1 {
		t.TokensPerSecond = float64(r.Tokens-1) / d
	}
	return t
}

// versionOf is a version's number, nil for the base model.
func versionOf(ref registry.Ref) *int {
	if ref.Base() {
		return nil
	}
	return &ref.Number
}

// fingerprint is the short name of what made an answer.
func fingerprint(ref registry.Ref) string {
	if ref.Base() {
		return "ns_base"
	}
	hex := strings.TrimPrefix(ref.Digest, "sha256:")
	return "ns_" + hex[:min(12, len(hex))]
}
