package api

import "nightshift/serve/api/wire"

// responseEvents write the stream of a response: typed events with consecutive numbers. The last is response.completed,
// response.incomplete or response.failed.
type responseEvents struct {
	g         *generation
	e         *events
	requestID string
	sent      int
	logprobs  []wire.ChatToken
	whole     wire.Response
}

// next numbers an event.
func (s *responseEvents) next(kind string) wire.EventHead {
	s.sent++
	return wire.EventHead{Type: kind, SequenceNumber: s.sent - 1}
}

func (s *responseEvents) place() wire.TextPlace {
	return wire.TextPlace{ItemID: wire.MessagePrefix + s.g.ids[0]}
}

// told sends an event that holds the response.
func (s *responseEvents) told(kind string, r wire.Response) {
	_ = s.e.send(kind, wire.ResponseEvent{EventHead: s.next(kind), Response: r})
}

// item sends an event that holds the message.
func (s *responseEvents) item(kind string, item wire.OutputItem) {
	_ = s.e.send(kind, wire.ItemEvent{EventHead: s.next(kind), Item: item})
}

// part sends an event that holds the message's one part.
func (s *responseEvents) part(kind string, part wire.OutputPart) {
	_ = s.e.send(kind, wire.PartEvent{EventHead: s.next(kind), TextPlace: s.place(), Part: part})
}

func (s *responseEvents) begin() {
	r := s.g.begun()
	s.told("response.created", r)
	s.told("response.in_progress", r)
	s.item("response.output_item.added", newItem(s.g.ids[0], wire.StatusInProgress))
	s.part("response.content_part.added", newPart("", nil))
}

func (s *responseEvents) text(c *draft, text string) {
	const kind = "response.output_text.delta"
	fresh := newPart(text, c.logprobs())
	s.logprobs = append(s.logprobs, fresh.Logprobs...)
	_ = s.e.send(kind, wire.TextDelta{EventHead: s.next(kind), TextPlace: s.place(), Delta: fresh.Text, Logprobs: fresh.Logprobs})
}

func (s *responseEvents) end(c *draft, from *wire.Origin) {
	const kind = "response.output_text.done"
	s.logprobs = append(s.logprobs, c.logprobs()...) // of tokens without a text, such as the first bytes of a character
	part := newPart(c.text.String(), s.logprobs)
	_ = s.e.send(kind, wire.TextDone{EventHead: s.next(kind), TextPlace: s.place(), Text: part.Text, Logprobs: part.Logprobs})
	s.part("response.content_part.done", part)
	s.whole = s.g.response(c, newItem(s.g.ids[0], "", part), from)
	s.item("response.output_item.done", s.whole.Output[0])
}

func (s *responseEvents) finish() {
	s.told("response."+s.whole.Status, s.whole)
}

// fail tells of an error twice: in the response, and in an event of its own at which clients stop.
func (s *responseEvents) fail(err error) {
	p := s.g.server.streamProblem(err, s.requestID)
	r := s.g.begun()
	r.Status, r.Error = wire.StatusFailed, &wire.ResponseError{Code: p.Code, Message: p.Message}
	s.told("response.failed", r)
	const kind = "error"
	_ = s.e.send(kind, wire.ErrorEvent{EventHead: s.next(kind), Code: p.Code, Message: p.Message, Error: p.body().Error})
}
