package teach

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// section is a heading with the text that follows it, as far as the next heading.
type section struct {
	line, level int
	title       string
	text        []string
}

// readMarkdown reads a page whose headings are questions. Where some end with a question mark those are the questions, and the others
// divide the page; where none does, every heading with a text of its own is one.
func readMarkdown(name string, in *bufio.Reader) (File, error) {
	var f File
	sections, err := sectionsOf(name, in)
	if err != nil {
		return f, err
	}
	marked := false
	for _, s := range sections {
		marked = marked || asks(s.title)
	}
	question := func(s section) bool {
		return s.level > 0 && (asks(s.title) || !marked && answerOf(s.text) != "")
	}
	for i, s := range sections {
		if !question(s) {
			if text := answerOf(s.text); s.level > 0 && text != "" && !within(sections, i, question) {
				f.Notes = append(f.Notes, fmt.Sprintf("%s:%d: the heading %.80q ends with no question mark; what is below it is left out", name, s.line, s.title))
			}
			continue
		}
		text := s.text
		for _, below := range sections[i+1:] {
			if below.level <= s.level || question(below) {
				break
			}
			text = append(append(append(text, ""), below.title, ""), below.text...)
		}
		answer := answerOf(text)
		if answer == "" {
			return f, wrong(name, s.line, "the question %.80q has no answer below it", s.title)
		}
		if err := f.add(Fact{Messages: asked(s.title), Answer: answer, File: name, Line: s.line}); err != nil {
			return f, err
		}
	}
	return f, nil
}

// within says whether a section is part of the answer of a question before it.
func within(sections []section, i int, question func(section) bool) bool {
	level := sections[i].level
	for j := i - 1; j >= 0; j-- {
		if sections[j].level < level {
			if question(sections[j]) {
				return true
			}
			level = sections[j].level
		}
		if question(sections[j]) {
			return false
		}
	}
	return false
}

// asks says whether a heading ends with a question mark, in any script that has one.
func asks(title string) bool {
	return strings.HasSuffix(strings.TrimRight(title, " \"'”’)»"), "?") || endsWithAny(title, "？", "؟", "⸮")
}

// endsWithAny says whether a text ends with one of several.
func endsWithAny(text string, ends ...string) bool {
	for _, end := range ends {
		if strings.HasSuffix(text, end) {
			return true
		}
	}
	return false
}

var (
	heading   = regexp.MustCompile(`^ {0,3}(#{1,6})(?:[ \t]+(.*))?$`)
	closing   = regexp.MustCompile(`(?:^|[ \t]+)#+[ \t]*$`)
	underline = regexp.MustCompile(`^ {0,3}(=+|-+)[ \t]*$`)
	fence     = regexp.MustCompile("^ {0,3}(```+|~~~+)")
	structure = regexp.MustCompile(`^(?: {0,3}(?:[-*+](?:[ \t]|$)|[>|]|\d{1,9}[.)][ \t])|    |\t)`)
)

// sectionsOf divides a page at its headings. What stands before the first is a section of level 0; front matter is left out, and in code
// nothing is a heading.
func sectionsOf(name string, in *bufio.Reader) ([]section, error) {
	list := []section{{}}
	open, matter := "", false // the fence of the code, or front matter, that is not over
	for number := 1; ; number++ {
		line, err := lineOf(name, number, in)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		last := &list[len(list)-1]
		trimmed := strings.TrimSpace(line)
		switch mark := fence.FindStringSubmatch(line); {
		case number == 1 && trimmed == "---":
			matter = true
			continue
		case matter:
			matter = trimmed != "---" && trimmed != "..."
			continue
		case open != "":
			if strings.HasPrefix(trimmed, open) && strings.Trim(trimmed, open[:1]) == "" {
				open = ""
			}
		case mark != nil:
			open = mark[1]
		default:
			if m := heading.FindStringSubmatch(line); m != nil {
				list = append(list, section{line: number, level: len(m[1]), title: plain(closing.ReplaceAllString(m[2], ""))})
				continue
			}
			if m := underline.FindStringSubmatch(line); m != nil && last.underlined() {
				title := last.text[len(last.text)-1]
				last.text = last.text[:len(last.text)-1]
				list = append(list, section{line: number - 1, level: map[byte]int{'=': 1, '-': 2}[m[1][0]], title: plain(title)})
				continue
			}
		}
		last.text = append(last.text, line)
	}
	if matter {
		return nil, wrong(name, 1, "the front matter that begins with --- has no end")
	}
	return list, nil
}

// underlined says whether a line under the text would make its last line a heading: that is a paragraph of one line.
func (s *section) underlined() bool {
	n := len(s.text)
	return n > 0 && strings.TrimSpace(s.text[n-1]) != "" && !structure.MatchString(s.text[n-1]) && (n == 1 || strings.TrimSpace(s.text[n-2]) == "")
}

// plain is a heading without the marks that make it bold or slanted as a whole.
func plain(title string) string {
	title = strings.TrimSpace(title)
	for _, mark := range []string{"**", "__", "*", "_"} {
		if inner, ok := strings.CutPrefix(title, mark); ok && len(inner) > len(mark) {
			if inner, ok = strings.CutSuffix(inner, mark); ok && !strings.Contains(inner, mark) {
				title = strings.TrimSpace(inner)
			}
		}
	}
	return title
}

// answerOf is a text as one would say it: lines that only wrap become one, lists, tables and code stay as they are.
func answerOf(text []string) string {
	var out []string
	open, wraps := "", false
	for _, line := range text {
		line = strings.TrimRight(line, " \t")
		mark := fence.FindStringSubmatch(line)
		switch {
		case open != "":
			if strings.HasPrefix(strings.TrimSpace(line), open) {
				open = ""
			}
			wraps = false
		case mark != nil:
			open, wraps = mark[1], false
		case line == "" || structure.MatchString(line):
			if line == "" && (len(out) == 0 || out[len(out)-1] == "") {
				continue
			}
			wraps = false
		case wraps:
			out[len(out)-1] += " " + strings.TrimSpace(line)
			continue
		default:
			line, wraps = strings.TrimSpace(line), true
		}
		out = append(out, line)
	}
	return strings.TrimSpace(strings.Join(out, "\n"))
}
