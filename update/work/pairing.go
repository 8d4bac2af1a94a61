package work

import (
	"context"

	"nightshift/update/gate"
	"nightshift/update/selection"
)

// maxRivals is with how many other corrections each held-out one is compared.
const maxRivals = 3

// pairing scores held-out corrections, and others in their place, with the candidate.
func (s *scorer) pairing(ctx context.Context, items []selection.Item) (gate.Pairing, error) {
	var p gate.Pairing
	for i, rivals := range selection.Rivals(items, maxRivals) {
		if len(rivals) == 0 {
			continue
		}
		own, err := s.perToken(ctx, items[i])
		if err != nil {
			return p, err
		}
		other := 0.0
		for _, r := range rivals {
			it := items[i]
			it.Completion = items[r].Completion
			nats, err := s.perToken(ctx, it)
			if err != nil {
				return p, err
			}
			other += nats / float64(len(rivals))
		}
		p.Own, p.Other = append(p.Own, own), append(p.Other, other)
	}
	return p, nil
}

// taught scores corrections that the candidate learned from, and the answers that they correct.
func (s *scorer) taught(ctx context.Context, items []selection.Item) (gate.Taught, error) {
	var l gate.Taught
	for _, it := range correctionsOf(items) {
		own, err := s.perToken(ctx, it)
		if err != nil {
			return l, err
		}
		it.Completion = it.Rejected
		said, err := s.perToken(ctx, it)
		if err != nil {
			return l, err
		}
		l.Own, l.Said, l.Edited = append(l.Own, own), append(l.Said, said), append(l.Edited, it.Editor)
	}
	return l, nil
}

// perToken is the candidate's negative log-likelihood of an item, in nats per token.
func (s *scorer) perToken(ctx context.Context, it selection.Item) (float64, error) {
	seq, err := s.scored(it)
	if err != nil {
		return 0, err
	}
	nats, err := s.nats(ctx, candidateName, it.ID, seq)
	return nats / float64(len(seq.Tokens)-seq.Prompt), err
}
