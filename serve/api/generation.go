package api

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"nightshift/internal/engine"
	"nightshift/serve/api/wire"
)

// pieces are those of the answers to all prompts as they come, with their choices counted through. The channel is closed after
// the last, and has room for all of them. An answer that fails ends the others.
func (g *generation) pieces() <-chan engine.Piece {
	if len(g.asked) == 1 {
		return g.asked[0].pieces
	}
	room := 0
	for _, a := range g.asked {
		room += cap(a.pieces)
	}
	all := make(chan engine.Piece, room)
	var open sync.WaitGroup
	for i, a := range g.asked {
		open.Go(func() {
			for p := range a.pieces {
				p.Choice += i * g.q.made()
				all <- p
			}
			if firstError(a.answers.Results()) != nil {
				g.cancel()
			}
		})
	}
	go func() {
		open.Wait()
		close(all)
	}()
	return all
}

// failed is why answers failed, nil when none did; that others were ended for it is not the reason. It may be called once the
// pieces have ended.
func (g *generation) failed() error {
	var failed error
	for _, a := range g.asked {
		if err := firstError(a.answers.Results()); failed == nil || err != nil && !errors.Is(err, context.Canceled) {
			failed = err
		}
	}
	if failed != nil && g.server.base.Err() != nil {
		return engine.ErrClosed
	}
	return failed
}

func firstError(results []engine.Result) error {
	for _, r := range results {
		if r.Err != nil {
			return r.Err
		}
	}
	return nil
}

// whole waits for all choices and returns the answer in one piece.
func (g *generation) whole() (any, error) {
	for p := range g.pieces() {
		g.choices[p.Choice].take(p)
	}
	for _, c := range g.choices {
		c.ended()
	}
	if err := g.failed(); err != nil {
		return nil, err
	}
	if g.q.response != nil {
		c := g.choices[0]
		return g.response(c, newItem(g.ids[0], "", newPart(c.text.String(), c.logprobs())), c.record()), nil
	}
	return g.completion(), nil
}

// best are the choices to answer with. When more were made than wanted they are, for each prompt, those with the largest mean
// log-probability of a token, the best first, and otherwise all in their order.
func (g *generation) best() []*draft {
	if g.q.made() == g.q.n {
		return g.choices
	}
	var best []*draft
	for made := range slices.Chunk(g.choices, g.q.made()) {
		slices.SortStableFunc(made, func(a, b *draft) int { return cmp.Compare(b.meanLogProb(), a.meanLogProb()) })
		best = append(best, made[:g.q.n]...)
	}
	return best
}

// form is the shape of a stream. Its events are begin, the text of choices as it comes, the end of each, and finish or, where an
// answer failed, fail. A write that fails cancels the request, so its error is of no use here.
type form interface {
	begin()
	text(c *draft, text string)
	end(c *draft, from *wire.Origin)
	finish()
	fail(err error)
}

// form is the shape that the request asks for.
func (g *generation) form(e *events, requestID string) form {
	if g.q.response != nil {
		return &responseEvents{g: g, e: e, requestID: requestID}
	}
	return &chunks{g: g, e: e, requestID: requestID}
}

// stream sends the answer as it is made.
func (g *generation) stream(out form, e *events) {
	out.begin()
	ticker := time.NewTicker(g.server.cfg.KeepAlive)
	defer ticker.Stop()
	pieces := g.pieces()
	for open := true; open; {
		var p engine.Piece
		select {
		case p, open = <-pieces:
		case <-ticker.C:
			_ = e.comment() // a write that fails cancels the request, and the pieces end
			continue
		}
		if !open {
			break
		}
		c := g.choices[p.Choice]
		if text := c.take(p); text != "" {
			out.text(c, text)
			ticker.Reset(g.server.cfg.KeepAlive)
		}
		if p.Last {
			c.ended()
			from := c.record() // one that was cut off, too, with what its reader may have seen
			if c.result.Err == nil {
				out.end(c, from)
			}
		}
	}
	if err := g.failed(); err != nil {
		out.fail(err)
		return
	}
	out.finish()
}

// usage counts each prompt once, and the tokens of all choices that were made.
func (g *generation) usage() *wire.Usage {
	u := &wire.Usage{}
	for _, a := range g.asked {
		u.PromptTokens += len(a.tokens)
		u.Details.CachedTokens += a.answers.Results()[0].Recalled
	}
	for _, c := range g.choices {
		u.CompletionTokens += len(c.tokens)
	}
	u.TotalTokens = u.PromptTokens + u.CompletionTokens
	return u
}
