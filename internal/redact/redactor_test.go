package redact

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

func redactor(t testing.TB, c Config) *Redactor {
	t.Helper()
	r, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestFinds(t *testing.T) {
	r := redactor(t, Config{})
	for _, test := range [][2]string{
		{"write to ann.lee+shop@mail.example.co.uk.", "write to [EMAIL]."},
		{"<bob@example.org>, carl@example.net!", "<[EMAIL]>, [EMAIL]!"},
		{"müller@bücher.example", "[EMAIL]"},
		{"call me on +49 30 1234567 please", "call me on [PHONE] please"},
		{"+1 (555) 010-9999", "[PHONE]"},
		{"(555) 010-9999 or 555-010-9999", "[PHONE] or [PHONE]"},
		{"1-800-555-0199", "[PHONE]"},
		{"0171-2345678, 030/1234567", "[PHONE], [PHONE]"},
		{"0044 20 7946 0958", "[PHONE]"},
		{"my phone number is 5550199", "my phone number is [PHONE]"},
		{"我的手机是13812345678。", "我的手机是[PHONE]。"},
		{"13812345678", "[PHONE]"},
		{"card 4111 1111 1111 1111 exp 12/27", "card [CARD] exp 12/27"},
		{"4111-1111-1111-1111", "[CARD]"},
		{"378282246310005", "[CARD]"},
		{"卡号4111111111111111。", "卡号[CARD]。"},
		{"IBAN DE89 3704 0044 0532 0130 00 thanks", "IBAN [IBAN] thanks"},
		{"GB82WEST12345698765432", "[IBAN]"},
		{"de89370400440532013000.", "[IBAN]."},
		{"key sk-proj-abcdefghijklmnop1234 end", "key [KEY] end"},
		{"AKIAIOSFODNN7EXAMPLE", "[KEY]"},
		{"ghp_abcdefghijklmnopqrstuvwxyz012345", "[KEY]"},
		{"hash 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "hash [KEY]"},
		{"token=q7Hs92LmZx04TbWcPq8RvYk1", "token=[KEY]"},
		{"-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----\nbye", "[KEY]\nbye"},
		{"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl", "[KEY]"},
		{"a@b.example+49 30 1234567", "[EMAIL][PHONE]"},
	} {
		if got, _ := r.Text(test[0]); got != test[1] {
			t.Errorf("%q\n became %q\n    want %q", test[0], got, test[1])
		}
	}
}

// TestOrdinaryText holds what must not be touched.
func TestOrdinaryText(t *testing.T) {
	r := redactor(t, Config{})
	for _, text := range []string{
		"", "Hello!", "order 48213", "Where is order 48213?", "order #0048213", "Order number 2048123456 has not arrived",
		"invoice 2024-000123", "ticket 0123456789", "tracking 00340434161094042557", "my order is 555-123-4567",
		"It costs 1,299.00 EUR, or $1299.00, or 1.299,00 €.", "between 0.99 and 10.50", "$ 24.95", "100000000 €", "19.99",
		"at 10:30", "from 09:00 to 18:30", "09:00-18:30", "09.00-18.30", "on 2026-11-23", "23.11.2026", "01/02/2026", "01.02.2026 10:30",
		"2026-11-23T18:47:14Z", "2024-2026", "30 days, not 45", "size 42, 200 x 150 x 40 cm", "version 1.24.0", "127.0.0.1:8080", "192.168.100.200",
		"10.0.0.1", "zip 10115", "SW1A 1AA", "3.14159265358979", "0.1234567890", "50 %", "1234567890123456 is not a card", "7 + 8 = 15",
		"@support", "a@b", "user@localhost", "ratio 16/9", "item 12-3456-78", "sku AB-1234-5678", "SKU-0301234567",
		"550e8400-e29b-41d4-a716-446655440000", "this-is-a-very-long-slug-with-many-words-2024",
		"https://example.com/products/tents/two-person-tent-2026?size=large", "InternationalizationAndLocalization",
		"DE89 is a motorway", "AB12 CDEF", "the years 1999 2000 2001", "Tel Aviv 2024", "We sold 1 000 000 pieces", "call 911", "+1 for that", "+15 °C",
	} {
		if got, spans := r.Text(text); got != text || len(spans) != 0 {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestSpans(t *testing.T) {
	r := redactor(t, Config{})
	for _, text := range []string{"é ann@example.org, 4111 1111 1111 1111", "\xff\xfe ann@example.org \xff 4111 1111 1111 1111\xff"} {
		out, spans := r.Text(text)
		if len(spans) != 2 || spans[0].Rule != "email" || spans[1].Rule != "card" {
			t.Fatalf("%q: spans %+v", text, spans)
		}
		if got := text[spans[0].Start:spans[0].End]; got != "ann@example.org" {
			t.Errorf("%q: the first span is %q", text, got)
		}
		if got := text[spans[1].Start:spans[1].End]; got != "4111 1111 1111 1111" {
			t.Errorf("%q: the second span is %q", text, got)
		}
		if leak := fmt.Sprintf("%q %+v", out, spans); strings.Contains(leak, "ann") || strings.Contains(leak, "4111") {
			t.Errorf("content leaks: %s", leak)
		}
		if !utf8.ValidString(out) {
			t.Errorf("%q is not UTF-8", out)
		}
	}
}

func TestConfig(t *testing.T) {
	r := redactor(t, Config{Disable: []string{"email"}, Extra: []Rule{{Name: "member", Pattern: `\bM-[0-9]{4}\b`}, {Name: "any", Pattern: `x+`}}})
	if got, spans := r.Text("M-1234 a@b.example xx [EMAIL] [ANY]"); got != "[MEMBER] a@b.e[ANY]ample [ANY] [EMAIL] [ANY]" || len(spans) != 3 {
		t.Errorf("got %q, %+v", got, spans)
	}
	off := redactor(t, Config{Disable: Builtin()})
	if got, spans := off.Text("a@b.example \xff"); got != "a@b.example \uFFFD" || spans != nil {
		t.Errorf("all rules off: %q, %v", got, spans)
	}
	versions := map[string]bool{}
	for _, c := range []Config{{}, {Disable: []string{"email"}}, {Disable: []string{"phone"}}, {Extra: []Rule{{"a", "x"}}}, {Extra: []Rule{{"a", "y"}}}, {Extra: []Rule{{"b", "x"}}}} {
		versions[redactor(t, c).Version()] = true
	}
	if len(versions) != 6 || redactor(t, Config{}).Version() != redactor(t, Config{}).Version() {
		t.Errorf("versions: %v", versions)
	}
	for name, bad := range map[string]Config{
		"unknown rule": {Disable: []string{"emial"}}, "name": {Extra: []Rule{{"A", "x"}}}, "builtin name": {Extra: []Rule{{"email", "x"}}},
		"twice": {Extra: []Rule{{"a", "x"}, {"a", "y"}}}, "syntax": {Extra: []Rule{{"a", "("}}}, "empty": {Extra: []Rule{{"a", ""}}}, "matches empty": {Extra: []Rule{{"a", "x*"}}},
	} {
		if _, err := New(bad); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

// TestLongLists gives the redactor finds whose neighbours depend on them. Were the time to grow with their square, it would take hours,
// and the test would not end in the time that tests have.
func TestLongLists(t *testing.T) {
	const many = 20_000
	r := redactor(t, Config{Extra: []Rule{{"first", `^<x>`}}})
	for text, want := range map[string]int{
		strings.Repeat("+4930123456789,", many):                                                          many,
		strings.Repeat("sk-aaaaaaaaaaaaaaaa ", many) + strings.Repeat("abcDEFghi123JKLmno456pqr ", many): 2 * many,
		strings.Repeat("<x>", many):                                                                      maxRounds + 1, // the last is all the rest
	} {
		out, spans := r.Text(text)
		if len(spans) != want {
			t.Errorf("%.20q...: %d finds, want %d", text, len(spans), want)
		}
		if again, more := r.Text(out); again != out || len(more) != 0 || strings.Contains(out, "<x>") {
			t.Errorf("%.20q...: a second pass finds %d more", text, len(more))
		}
	}
}

func FuzzText(f *testing.F) {
	for _, seed := range []string{
		"ann@example.org", "+49 30 1234567 sk-abcdefghijklmnopqrst", "[EMAIL]4111 1111 1111 1111[PHONE]", "DE89 3704 0044 0532 0130 00",
		"\xff(0\x80) 030 1234567", "a@b.example+49301234567", "[KEY[EMAIL]]", "call 1234567 1234567 1234567", "a@b.cc@d.ee", "[M-1][M-1", "AB12-CD3", "sk_aaaaaaaaaaaaaaaa hf-1 ghp_aaaaaaaaaaaaaaaaaaaa xsk-aaaaaaaaaaaaaaaaa",
		strings.Repeat("<x>", maxRounds+2) + " ann@example.org", strings.Repeat("z", 2*maxRounds),
	} {
		f.Add(seed)
	}
	plain := redactor(f, Config{})
	extra := redactor(f, Config{Extra: []Rule{{"member", `M-[0-9]+`}, {"bracket", `[\[\]]{2}`}, {"end", `z$`}, {"first", `^<x>`}}})
	start := regexp.MustCompile(`[A-Za-z]{2}[0-9]{2}[ -]?[A-Za-z0-9]{4}`)
	f.Fuzz(func(t *testing.T, text string) {
		if !shaped(text) && keyShapes.MatchString(text) {
			t.Fatalf("%q holds a key and does not look so", text)
		}
		if at := ibanStart(text, 0); (at < 0) != !start.MatchString(text) || at >= 0 && start.FindStringIndex(text)[0] != at {
			t.Fatalf("%q: an account number may begin at %d, not %d", text, start.FindStringIndex(text), at)
		}
		for _, r := range []*Redactor{plain, extra} {
			out, spans := r.Text(text)
			if !utf8.ValidString(out) {
				t.Fatalf("%q became %q, which is not UTF-8", text, out)
			}
			at := 0
			for _, s := range spans {
				if s.Start < at || s.End <= s.Start || s.End > len(text) {
					t.Fatalf("%q: spans %+v", text, spans)
				}
				at = s.End
				if !strings.HasPrefix(out[s.At:], "["+strings.ToUpper(s.Rule)+"]") {
					t.Fatalf("%q became %q: no placeholder at %+v", text, out, s)
				}
			}
			again, more := r.Text(out)
			if again != out || len(more) != 0 {
				t.Fatalf("%q became %q, then %q", text, out, again)
			}
			if len(spans) == 0 && utf8.ValidString(text) && out != text {
				t.Fatalf("%q became %q without a span", text, out)
			}
		}
	})
}

func BenchmarkText(b *testing.B) {
	r := redactor(b, Config{})
	text := strings.Repeat("Where is order 48213? I paid 24.95 on 2026-11-23 and live in 10115 Berlin. ", 20)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		r.Text(text)
	}
}
