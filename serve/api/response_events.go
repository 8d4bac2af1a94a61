package api

// responseEvents write the stream of a response: typed events with consecutive numbers. The last is response.completed,
// response.incomplete or response.failed.
type responseEvents struct {
	g         *generation
	e         *events
	requestID string
	sent      int
	logprobs  []chatToken
	whole     response
}

// numbered is what every event has.
type numbered struct {
	Type           string `json:"type"`
	SequenceNumber int    `json:"sequence_number"`
}

// place is where in the response a part of its text stands: there is one message with one part.
type place struct {
	ItemID       string `json:"item_id"`
	OutputIndex  int    `json:"output_index"`
	ContentIndex int    `json:"content_index"`
}

// next numbers an event.
func (s *responseEvents) next(kind string) numbered {
	s.sent++
	return numbered{kind, s.sent - 1}
}

func (s *responseEvents) place() place { return place{ItemID: messagePrefix + s.g.ids[0]} }

// told sends an event that holds the response.
func (s *responseEvents) told(kind string, r response) {
	_ = s.e.send(kind, struct {
		numbered
		Response response `json:"response"`
	}{s.next(kind), r})
}

// item sends an event that holds the message.
func (s *responseEvents) item(kind string, item outputItem) {
	_ = s.e.send(kind, struct {
		numbered
		OutputIndex int        `json:"output_index"`
		Item        outputItem `json:"item"`
	}{s.next(kind), 0, item})
}

// part sends an event that holds the message's one part.
func (s *responseEvents) part(kind string, part outputPart) {
	_ = s.e.send(kind, struct {
		numbered
		place
		Part outputPart `json:"part"`
	}{s.next(kind), s.place(), part})
}

func (s *responseEvents) begin() {
	r := s.g.begun()
	s.told("response.created", r)
	s.told("response.in_progress", r)
	s.item("response.output_item.added", newItem(s.g.ids[0], statusInProgress))
	s.part("response.content_part.added", newPart("", nil))
}

func (s *responseEvents) text(c *draft, text string) {
	const kind = "response.output_text.delta"
	fresh := newPart(text, c.logprobs())
	s.logprobs = append(s.logprobs, fresh.Logprobs...)
	_ = s.e.send(kind, struct {
		numbered
		place
		Delta    string      `json:"delta"`
		Logprobs []chatToken `json:"logprobs"`
	}{s.next(kind), s.place(), fresh.Text, fresh.Logprobs})
}

func (s *responseEvents) end(c *draft, from *origin) {
	const kind = "response.output_text.done"
	s.logprobs = append(s.logprobs, c.logprobs()...) // of tokens without a text, such as the first bytes of a character
	part := newPart(c.text.String(), s.logprobs)
	_ = s.e.send(kind, struct {
		numbered
		place
		Text     string      `json:"text"`
		Logprobs []chatToken `json:"logprobs"`
	}{s.next(kind), s.place(), part.Text, part.Logprobs})
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
	r.Status, r.Error = statusFailed, &responseError{p.Code, p.Message}
	s.told("response.failed", r)
	const kind = "error"
	_ = s.e.send(kind, struct {
		numbered
		Code    string    `json:"code"`
		Message string    `json:"message"`
		Param   *string   `json:"param"`
		Error   ErrorBody `json:"error"`
	}{s.next(kind), p.Code, p.Message, nil, p.body().Error})
}
