package api

import "nightshift/serve/api/wire"

// chunks write the stream of a chat or of a raw completion, in the shape of OpenAI's API.
type chunks struct {
	g         *generation
	e         *events
	requestID string
}

func (s *chunks) begin() {
	if !s.g.q.chat {
		return
	}
	empty := ""
	for _, c := range s.g.choices {
		s.send(wire.Choice{Index: c.index, Delta: &wire.Delta{Role: "assistant", Content: &empty}})
	}
}

func (s *chunks) text(c *draft, text string) { s.send(c.part(text, nil)) }

func (s *chunks) end(c *draft, from *wire.Origin) {
	finish := string(c.result.Finish)
	last := s.g.frame(false)
	last.Choices = []wire.Choice{c.part("", &finish)}
	last.Nightshift, last.Timings = from, timingsOf(c.result)
	_ = s.e.send("", last)
}

func (s *chunks) finish() {
	if s.g.q.includeUsage {
		total := s.g.frame(false)
		total.Choices, total.Usage = []wire.Choice{}, s.g.usage()
		_ = s.e.send("", total)
	}
	_ = s.e.write("data: " + wire.Done + "\n\n")
}

func (s *chunks) fail(err error) { s.g.server.failStream(s.e, err, s.requestID) }

func (s *chunks) send(part wire.Choice) {
	f := s.g.frame(false)
	f.Choices = []wire.Choice{part}
	_ = s.e.send("", f)
}

// completion is the answer in one piece.
func (g *generation) completion() wire.Completion {
	answer := g.frame(true)
	answer.Usage = g.usage()
	for i, c := range g.best() {
		c.index = i
		from, times := c.record(), timingsOf(c.result)
		one := c.whole()
		if i == 0 {
			answer.Nightshift, answer.Timings = from, times
		}
		if len(g.ids) > 1 {
			one.Nightshift, one.Timings = from, times
		}
		answer.Choices = append(answer.Choices, one)
	}
	return answer
}

// frame is what every chunk and answer of this generation has in common.
func (g *generation) frame(whole bool) wire.Completion {
	f := wire.Completion{ID: wire.TextPrefix + g.ids[0], Object: "text_completion", Created: g.created.Unix(), Model: g.ref.String(), SystemFingerprint: fingerprint(g.ref)}
	if g.q.chat {
		f.ID, f.Object = wire.ChatPrefix+g.ids[0], "chat.completion"
		if !whole {
			f.Object = "chat.completion.chunk"
		}
	}
	return f
}
