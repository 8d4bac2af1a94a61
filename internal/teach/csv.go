package teach

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Names of columns, in lower case.
var (
	questionNames = []string{"question", "questions", "q", "prompt", "query", "instruction", "frage", "pregunta", "domanda", "pergunta", "vraag"}
	answerNames   = []string{"answer", "answers", "a", "completion", "response", "reply", "antwort", "respuesta", "réponse", "risposta", "resposta", "antwoord"}
)

// columns is how a table is laid out.
type columns struct {
	comma            rune
	question, answer int
}

// columnsOf reads a table's first line, whichever of the separators it has.
func columnsOf(header string) (columns, bool) {
	for _, comma := range []rune{',', ';', '\t'} {
		r := csv.NewReader(strings.NewReader(header))
		r.Comma = comma
		names, err := r.Read()
		if err != nil {
			continue
		}
		c := columns{comma: comma, question: -1, answer: -1}
		for i, name := range names {
			name = strings.ToLower(strings.TrimSpace(name))
			if c.question < 0 && slices.Contains(questionNames, name) {
				c.question = i
			}
			if c.answer < 0 && slices.Contains(answerNames, name) {
				c.answer = i
			}
		}
		if c.question >= 0 && c.answer >= 0 {
			return c, true
		}
	}
	return columns{}, false
}

// readCSV reads a table whose first line names its columns. Columns other than the question's and the answer's are left out.
func readCSV(name string, in *bufio.Reader) (File, error) {
	var f File
	header, number, err := headerOf(name, in)
	if err != nil {
		return f, err
	}
	c, ok := columnsOf(header)
	if !ok {
		return f, wrong(name, number, "the first line is %.100q, and names no columns question and answer; separators are commas, semicolons or tabs", header)
	}
	g := &guard{in: in}
	r := csv.NewReader(g)
	r.Comma, r.FieldsPerRecord, r.ReuseRecord = c.comma, -1, true
	for last := number; ; {
		g.n = 0
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return f, nil
		}
		var parse *csv.ParseError
		switch {
		case errors.As(err, &parse):
			return f, wrong(name, number+parse.Line, "%v; a text with quotes or separators stands in quotes, and a quote inside is doubled", parse.Err)
		case errors.Is(err, errLongRecord):
			return f, wrong(name, last+1, "%v; is a quote missing that ends a text?", err)
		case err != nil:
			return f, fmt.Errorf("teach %s: %w", name, err)
		}
		line, _ := r.FieldPos(0)
		last = number + line + strings.Count(strings.Join(row, ""), "\n")
		if strings.TrimSpace(strings.Join(row, "")) == "" {
			continue
		}
		if need := max(c.question, c.answer) + 1; len(row) < need {
			return f, wrong(name, number+line, "the line has %d columns, and at least %d are needed, as the first line names them", len(row), need)
		}
		if err := f.add(Fact{Messages: asked(strings.Clone(row[c.question])), Answer: strings.Clone(row[c.answer]), File: name, Line: number + line}); err != nil {
			return f, err
		}
	}
}

// headerOf reads the line that names the columns, and its number. Spreadsheets put one before it that names the separator.
func headerOf(name string, in *bufio.Reader) (header string, number int, err error) {
	header, err = lineOf(name, 1, in)
	if number = 1; err == nil && strings.HasPrefix(strings.ToLower(header), "sep=") {
		number = 2
		header, err = lineOf(name, number, in)
	}
	if errors.Is(err, io.EOF) {
		err = wrong(name, number, "the file is empty")
	}
	return header, number, err
}

// errLongRecord is the error of a row that has no end.
var errLongRecord = fmt.Errorf("the row has more than %d bytes", maxLine)

// guard ends a table in which a row has no end: a reader of tables would keep all of it.
type guard struct {
	in io.Reader
	n  int // bytes since the last row was read
}

// Read implements io.Reader.
func (g *guard) Read(p []byte) (int, error) {
	if g.n > maxLine {
		return 0, errLongRecord
	}
	n, err := g.in.Read(p)
	g.n += n
	return n, err
}
