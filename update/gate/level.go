package gate

import (
	"fmt"
	"strconv"

	"nightshift/internal/stats"
)

// gainError is the one-sided error of the gain's interval over all nights of one champion.
const gainError = 0.05

// maxResamples bounds the time that a bound far out costs.
const maxResamples = 200_000

// level is the part of an error that this night may spend: of night k since the champion changed error/(k·(k+1)), which adds up to
// error over any number of nights.
//
// Night after night candidates are tried against the same champion. At a fixed level one of thirty that are no better would
// pass more often than not; with these levels the probability that any does is at most the error (Bonferroni's inequality over
// an endless list, as in the alpha spending of Foster & Stine 2008). Nothing is assumed of how the nights depend on each
// other, so evidence that two of them share does no harm. Only the gain is spent on: a candidate must pass all checks at
// once, and a conjunction errs no more often than any of its parts (Berger 1982, intersection–union test).
func (l Limits) level(family float64) float64 {
	k := float64(max(1, l.Night))
	return family / (k * (k + 1))
}

// which says which night the levels are for, where that is not the first.
func (l Limits) which() string {
	if l.Night < 2 {
		return ""
	}
	return fmt.Sprintf("; the %s night that judges against this champion", ordinal(l.Night))
}

// ordinal is a number's word for its place in a list.
func ordinal(n int) string {
	suffix := "th"
	if n%100 < 11 || n%100 > 13 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return strconv.Itoa(n) + suffix
}

// percent prints a confidence.
func percent(p float64) string { return strconv.FormatFloat(100*p, 'g', 6, 64) + " %" }

// HeldOut is the number of held-out examples below which no candidate can pass: with fewer, the sign test cannot come to
// this night's limit even if all of them improve.
func (l Limits) HeldOut() int { return stats.SignTestSize(l.level(l.SignTest)) }
