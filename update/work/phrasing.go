package work

import (
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Other words for a question that was taught out of a file. They are templates of English, and for questions in other languages only what
// no language minds: case and punctuation.

// phrasings are count other ways to ask a question, the same for the same seed; fewer where there are no more.
func phrasings(question string, count int, seed uint64) []string {
	question = strings.TrimSpace(question)
	if count <= 0 || question == "" {
		return nil
	}
	list := variants(question)
	if english(question) {
		list = append(list, rephrased(question)...)
	}
	h := fnv.New64a()
	h.Write([]byte(question))
	random := rand.New(rand.NewPCG(seed, h.Sum64())) //nolint:gosec // reproducible, not secret
	random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	var kept []string
	for _, text := range list {
		if len(kept) < count && text != "" && text != question && !slices.Contains(kept, text) {
			kept = append(kept, text)
		}
	}
	return kept
}

// variants differ from a question in case and punctuation alone.
func variants(question string) []string {
	bare := strings.TrimRightFunc(question, func(r rune) bool { return strings.ContainsRune(" ?!.。？！؟", r) })
	return []string{strings.ToLower(bare), bare, strings.ToLower(question)}
}

// openings come before a question as it is; its first word is then written small, unless it is written so everywhere.
var openings = []string{"Hi, ", "Hello, ", "Hi there, ", "Hey, ", "Quick question: ", "A question: ", "I have a question: ", "Sorry, "}

// frames hold a question that has become a part of a sentence.
var frames = [][2]string{{"Could you tell me ", "?"}, {"Can you tell me ", "?"}, {"Do you know ", "?"}, {"I would like to know ", "."}, {"I want to know ", "."},
	{"Please tell me ", "."}, {"I am wondering ", "."}, {"I'd like to know ", ""}}

// rephrased are the templates filled with an English question.
func rephrased(question string) []string {
	var list []string
	if !asksSomething(question) {
		return nil
	}
	for _, o := range openings {
		list = append(list, o+small(question))
	}
	part := indirect(question)
	if part == "" {
		return list
	}
	for _, f := range frames {
		list = append(list, f[0]+part+f[1])
	}
	return list
}

// words of grammar.
var (
	questionWords = strings.Fields("how what which where when why who whose whom")
	helpers       = strings.Fields("can could will would shall should may might must is are was were do does did have has")
	subjects      = strings.Fields("i you we they he she it there this that these those one someone anyone")
	determiners   = strings.Fields("the a an my your our their its his her")
	functionWords = slices.Concat(questionWords, helpers, strings.Fields("i you we they it he she my your our their the a an of to for with and or if not there this that from on at by about much many long get"))
)

// commonShare is the share of words of grammar above which a text is English. Other languages share some of them, and none so many.
const commonShare = 0.34

// english says whether a text is likely English: by its letters, and by the share of English words of grammar.
func english(text string) bool {
	list := wordsOf(text)
	common := 0
	for _, w := range list {
		if slices.Contains(functionWords, w) {
			common++
		}
	}
	for _, r := range text {
		if r > unicode.MaxASCII && unicode.IsLetter(r) && !unicode.Is(unicode.Latin, r) {
			return false
		}
	}
	return len(list) > 1 && float64(common) >= commonShare*float64(len(list))
}

// wordsOf are the words of a text in lower case, without punctuation around them.
func wordsOf(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '\'' && r != '’' })
}

// asksSomething says whether an English text is a question by its first word and its end.
func asksSomething(question string) bool {
	list := wordsOf(question)
	first := len(list) > 0 && (slices.Contains(questionWords, list[0]) || slices.Contains(helpers, list[0]))
	return first && !strings.ContainsAny(strings.TrimRight(question, "?!. "), "?!\n") || strings.HasSuffix(question, "?")
}

// small is a question that begins with a small letter, where its first word is one of grammar; names and "I" keep theirs.
func small(question string) string {
	first, _, _ := strings.Cut(question, " ")
	lower := strings.ToLower(first)
	if first == "I" || !slices.Contains(functionWords, strings.TrimRight(lower, "?,")) {
		return question
	}
	return lower + question[len(first):]
}

// indirect is an English question as a part of a sentence: "How long can I return it?" becomes "how long I can return it", and "Do you ship?"
// becomes "whether you ship". "" where it cannot be told where the verb belongs.
func indirect(question string) string {
	bare := strings.TrimRight(question, "?!. ")
	if strings.ContainsAny(bare, ",.;:?!\n()") {
		return ""
	}
	list := strings.Fields(bare)
	lower := strings.Fields(strings.ToLower(bare))
	if len(list) < 3 {
		return ""
	}
	head, at := []string{"whether"}, 0
	if slices.Contains(questionWords, lower[0]) {
		at = slices.IndexFunc(lower[:min(len(lower), 6)], func(w string) bool { return slices.Contains(helpers, w) })
		if at < 1 {
			return ""
		}
		head = append([]string{lower[0]}, list[1:at]...)
	} else if !slices.Contains(helpers, lower[0]) {
		return ""
	}
	rest := turned(lower[at], list[at+1:], at > 0)
	if rest == nil {
		return ""
	}
	return strings.Join(append(head, rest...), " ")
}

// turned is what follows a question word in a sentence: of "can I return it", "I can return it". nil where it cannot be told. open says that
// there is a question word.
func turned(helper string, rest []string, open bool) []string {
	if len(rest) == 0 {
		return nil
	}
	subject := strings.ToLower(rest[0])
	switch {
	case slices.Contains(subjects, subject) && len(rest) > 1:
	case open && (helper == "is" || helper == "are") && slices.Contains(determiners, subject) && named(rest):
		return append(slices.Clone(rest), helper)
	default:
		return nil
	}
	if subject != "i" {
		rest = append([]string{subject}, rest[1:]...)
	}
	switch helper {
	case "do":
		return rest
	case "does":
		return append([]string{rest[0], third(rest[1])}, rest[2:]...)
	case "did":
		return nil
	}
	return append([]string{rest[0], helper}, rest[1:]...)
}

// named says whether words are a thing and not what happens to it: "the return period" or "the price of a tent", but not "the tent made of".
func named(rest []string) bool {
	for i, w := range rest {
		w = strings.ToLower(w)
		last := i == len(rest)-1
		if strings.HasSuffix(w, "ed") || last && slices.Contains(strings.Fields("of for from with in to on at about made"), w) {
			return false
		}
	}
	joined := slices.ContainsFunc(rest, func(w string) bool { return slices.Contains(strings.Fields("of for"), strings.ToLower(w)) })
	return len(rest) > 1 && (len(rest) <= 3 || joined && len(rest) <= 6)
}

// third is a verb as it follows he, she and it.
func third(verb string) string {
	switch v := strings.ToLower(verb); {
	case v == "have":
		return "has"
	case slices.ContainsFunc([]string{"s", "sh", "ch", "x", "z", "o"}, func(end string) bool { return strings.HasSuffix(v, end) }):
		return verb + "es"
	case strings.HasSuffix(v, "y") && len(v) > 1 && !strings.ContainsRune("aeiou", rune(v[len(v)-2])):
		return verb[:len(verb)-1] + "ies"
	case utf8.RuneCountInString(v) < 2:
		return verb
	}
	return verb + "s"
}
