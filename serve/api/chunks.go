package api

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
		s.send(choice{Index: c.index, Delta: &delta{Role: "assistant", Content: &empty}})
	}
}

func (s *chunks) text(c *draft, text string) { s.send(c.part(text, nil)) }

func (s *chunks) end(c *draft, from *origin) {
	finish := string(c.result.Finish)
	last := s.g.frame(false)
	last.Choices = []choice{c.part("", &finish)}
	last.Nightshift, last.Timings = from, timingsOf(c.result)
	_ = s.e.send("", last)
}

func (s *chunks) finish() {
	if s.g.q.includeUsage {
		total := s.g.frame(false)
		total.Choices, total.Usage = []choice{}, s.g.usage()
		_ = s.e.send("", total)
	}
	_ = s.e.write("data: [DONE]\n\n")
}

func (s *chunks) fail(err error) { s.g.server.failStream(s.e, err, s.requestID) }

func (s *chunks) send(part choice) {
	f := s.g.frame(false)
	f.Choices = []choice{part}
	_ = s.e.send("", f)
}

// completion is the answer in one piece.
func (g *generation) completion() completion {
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
func (g *generation) frame(whole bool) completion {
	f := completion{ID: textPrefix + g.ids[0], Object: "text_completion", Created: g.created.Unix(), Model: g.ref.String(), SystemFingerprint: fingerprint(g.ref)}
	if g.q.chat {
		f.ID, f.Object = chatPrefix+g.ids[0], "chat.completion"
		if !whole {
			f.Object = "chat.completion.chunk"
		}
	}
	return f
}
