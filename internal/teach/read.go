package teach

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"nightshift/replaystore"
)

// File is what one file holds.
type File struct {
	Facts []Fact
	Notes []string // what of it asks nothing and was left out, with its place
}

// Open reads a file.
func Open(name string) (File, error) {
	f, err := os.Open(name)
	if err != nil {
		return File{}, fmt.Errorf("teach: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return File{}, fmt.Errorf("teach %s: it is a directory; name the files in it", name)
	}
	return Read(name, f)
}

// formats are the readers by what file names end with.
var formats = map[string]func(string, *bufio.Reader) (File, error){
	".csv": readCSV, ".tsv": readCSV, ".md": readMarkdown, ".markdown": readMarkdown, ".jsonl": readJSONL, ".ndjson": readJSONL,
}

// formatsText says what can be read.
const formatsText = "CSV with the columns question and answer (.csv, .tsv), Markdown with questions as headings (.md), or a JSON object a line (.jsonl)"

// sniffed is how much of a file is looked at to tell its format.
const sniffed = 4 << 10

// Read reads facts. The format is what the name ends with, or else what the text begins with.
func Read(name string, r io.Reader) (File, error) {
	limited := &io.LimitedReader{R: r, N: maxFile + 1}
	in := bufio.NewReaderSize(limited, sniffed)
	head, err := in.Peek(sniffed)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return File{}, fmt.Errorf("teach %s: %w", name, err)
	}
	if bytes.HasPrefix(head, []byte{0xff, 0xfe}) || bytes.HasPrefix(head, []byte{0xfe, 0xff}) {
		return File{}, fmt.Errorf("teach %s: line 1: the file is UTF-16; save it as UTF-8", name)
	}
	if bom := []byte("\ufeff"); bytes.HasPrefix(head, bom) {
		if _, err := in.Discard(len(bom)); err != nil {
			return File{}, fmt.Errorf("teach %s: %w", name, err)
		}
		head = head[len(bom):]
	}
	read := formats[strings.ToLower(filepath.Ext(name))]
	if read == nil {
		read = formatOf(head)
	}
	if read == nil {
		return File{}, fmt.Errorf("teach %s: line 1: the file is none of %s", name, formatsText)
	}
	f, err := read(name, in)
	switch {
	case limited.N <= 0:
		return File{}, fmt.Errorf("teach %s: the file has more than %d MiB; split it", name, maxFile>>20)
	case err != nil:
		return File{}, err
	case len(f.Facts) == 0:
		return File{}, fmt.Errorf("teach %s: the file holds no question with an answer", name)
	}
	return f, nil
}

// formatOf tells a format by how a text begins; nil where it is none.
func formatOf(head []byte) func(string, *bufio.Reader) (File, error) {
	if bytes.IndexByte(head, 0) >= 0 {
		return nil
	}
	text := bytes.TrimSpace(head)
	first, _, _ := bytes.Cut(text, []byte("\n"))
	switch {
	case bytes.HasPrefix(text, []byte("{")):
		return readJSONL
	case bytes.HasPrefix(text, []byte("#")), string(bytes.TrimSpace(first)) == "---":
		return readMarkdown
	}
	if _, ok := columnsOf(string(first)); ok {
		return readCSV
	}
	return nil
}

// wrong is the error of a line.
func wrong(name string, line int, format string, args ...any) error {
	return fmt.Errorf("teach %s: line %d: %s", name, line, fmt.Sprintf(format, args...))
}

// unreadable says what is wrong with the bytes of a text, "" for nothing.
func unreadable(text string) string {
	switch {
	case !utf8.ValidString(text):
		return "the text is not valid UTF-8; save the file as UTF-8"
	case strings.IndexByte(text, 0) >= 0:
		return "the text holds a NUL byte; the file is no text, or is damaged"
	}
	return ""
}

// add takes a fact into a file, or says what is wrong with it.
func (f *File) add(fact Fact) error {
	at := func(format string, args ...any) error { return wrong(fact.File, fact.Line, format, args...) }
	before := 0
	for _, m := range fact.Messages {
		if why := unreadable(m.Content); why != "" {
			return at("%s", why)
		}
		before += len(m.Content)
	}
	if why := unreadable(fact.Answer); why != "" {
		return at("%s", why)
	}
	fact.Answer = strings.TrimSpace(fact.Answer)
	switch {
	case len(fact.Messages) == 0 || strings.TrimSpace(fact.Question()) == "":
		return at("the question is empty")
	case fact.Answer == "":
		return at("the answer is empty")
	case before > maxText:
		return at("the question has %d bytes; at most %d are read", before, maxText)
	case len(fact.Answer) > maxText:
		return at("the answer has %d bytes; at most %d are read", len(fact.Answer), maxText)
	case len(fact.Messages) > replaystore.MaxMessages:
		return at("the conversation has %d messages; at most %d are read", len(fact.Messages), replaystore.MaxMessages)
	case len(f.Facts) == MaxFacts:
		return at("there are more than %d questions; teach them in several files, one after the other", MaxFacts)
	}
	f.Facts = append(f.Facts, fact)
	return nil
}

// asked is a question alone.
func asked(question string) []replaystore.Message {
	return []replaystore.Message{{Role: "user", Content: strings.TrimSpace(question)}}
}

// lineOf reads a line without its end. io.EOF says that there is none; one that is too long or no text is an error.
func lineOf(name string, number int, in *bufio.Reader) (string, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxLine:
			return "", wrong(name, number, "the line has more than %d bytes", maxLine)
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(line) == 0:
			return "", io.EOF
		case err != nil && !errors.Is(err, io.EOF):
			return "", fmt.Errorf("teach %s: %w", name, err)
		}
		text := strings.TrimRight(string(line), "\r\n")
		if why := unreadable(text); why != "" {
			return "", wrong(name, number, "%s", why)
		}
		return text, nil
	}
}
