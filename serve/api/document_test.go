package api

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"nightshift/internal/nightrecord"
	"nightshift/internal/telemetry"
	"nightshift/replaystore"
)

// TestRoutesAreDocumented compares the table of routes with the OpenAPI document, both ways.
func TestRoutesAreDocumented(t *testing.T) {
	var d struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(OpenAPI, &d); err != nil {
		t.Fatal(err)
	}
	routed := map[string]bool{}
	for _, r := range (&Server{deps: Deps{Metrics: telemetry.New()}}).routes() {
		parts := strings.Split(r.path, "/")
		for i, p := range parts {
			if name, ok := strings.CutPrefix(p, ":"); ok {
				parts[i] = "{" + name + "}"
			}
		}
		path, method := strings.Join(parts, "/"), strings.ToLower(r.method)
		routed[method+" "+path] = true
		if _, ok := d.Paths[path][method]; !ok {
			t.Errorf("%s %s is not documented", r.method, path)
		}
	}
	for path, operations := range d.Paths {
		for method := range operations {
			if !routed[method+" "+path] {
				t.Errorf("%s %s is documented and does not exist", method, path)
			}
		}
	}
}

// TestNightsAreDocumented compares the fields of a night's record, which is sent as it is, with the document, both ways.
func TestNightsAreDocumented(t *testing.T) {
	var d struct {
		Components struct{ Schemas map[string]schema }
	}
	if err := json.Unmarshal(OpenAPI, &d); err != nil {
		t.Fatal(err)
	}
	documented := d.Components.Schemas["Night"].Properties
	record := reflect.TypeFor[nightrecord.Night]()
	for i := range record.NumField() {
		name, _, _ := strings.Cut(record.Field(i).Tag.Get("json"), ",")
		if _, ok := documented[name]; !ok {
			t.Errorf("%s is not documented", name)
		}
		delete(documented, name)
	}
	for name := range documented {
		t.Errorf("%s is documented and does not exist", name)
	}
}

// FuzzParse compares the parser with encoding/json: what it accepts is JSON and has the same strings.
func FuzzParse(f *testing.F) {
	for _, s := range []string{`{"a":[1,-2.5e3,true,null,"x\u00e9\ud83c\udfd5\n"]}`, `{"a":1,"a":2}`, `[01]`, `"\ud800"`, "\"\x01\"", `{"a":}`, `1 2`, `-`, `{"":{}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := parse(data)
		if err != nil {
			if problemOf(err).Status != 400 {
				t.Errorf("%q: %v is not a 400", data, err)
			}
			return
		}
		if !json.Valid(data) {
			t.Fatalf("%q is accepted and is not JSON", data)
		}
		if v.kind == text {
			var want string
			if err := json.Unmarshal(data, &want); err != nil || v.text != want {
				t.Errorf("%q is read as %q, want %q, %v", data, v.text, want, err)
			}
		}
	})
}

func TestFramedTwice(t *testing.T) {
	for raw, want := range map[string]bool{
		"Host: a\r\nContent-Length: 3\r\n":                             false,
		"Transfer-Encoding: Chunked\r\n":                               false,
		"content-length: 3\r\nTRANSFER-ENCODING: chunked\r\n":          true,
		"Content-Length: 3\r\nContent-Length: 3\r\n":                   true,
		"Transfer-Encoding: gzip, chunked\r\n":                         true,
		"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n": true,
		"X: Content-Length: 3\r\nContent-Length: 3\r\n":                false,
	} {
		if got := framedTwice([]byte(raw)); got != want {
			t.Errorf("%q: %v, want %v", raw, got, want)
		}
	}
}

// TestLimitsAreDocumented wants the limits of feedback, of priorities and of timeouts in the document.
func TestLimitsAreDocumented(t *testing.T) {
	for _, want := range []string{
		fmt.Sprintf("An interaction takes %d items", MaxFeedbackPerInteraction), fmt.Sprintf("up to %d in items", maxFeedback), fmt.Sprintf("At most %d KiB; a longer one", maxComment>>10),
		fmt.Sprintf("at most %d bytes for each token of the model's context, or %d KiB", tokenBytes, minCorrectionLimit>>10),
		fmt.Sprintf("at most %d bytes; the same id", replaystore.MaxID), fmt.Sprintf(`"minimum": -%d, "maximum": %[1]d, "description": "Which waiting`, maxPriority),
		fmt.Sprintf(`"minimum": %v, "maximum": %v, "description": "Seconds that the whole answer`, minTimeout, maxTimeout),
	} {
		if !strings.Contains(string(OpenAPI), want) {
			t.Errorf("openapi.json does not say %q", want)
		}
	}
}

// TestMessagesOfNumbers wants long numbers cut in messages, and characters in one piece.
func TestMessagesOfNumbers(t *testing.T) {
	long := strings.Repeat("7", 3000)
	for body, want := range map[string]string{
		`{"model":"default","prompt":"x","temperature":` + long + `}`:  "temperature is 7777777777",
		`{"model":"default","prompt":"x","n":` + long + `}`:            "n is 7777777777",
		`{"model":"default","prompt":"x","max_tokens":0.` + long + `}`: "max_tokens is 0.7777777777",
		"\ufeff{}":     `no value begins with '\ufeff' at byte 0`, // a byte order mark
		`{"model":é}`:  `no value begins with 'é' at byte 9`,
		`{"model":NaN`: `no value begins with 'N' at byte 9`,
	} {
		_, err := decodeQuery([]byte(body), false, Defaults{MaxTokens: 9, Limit: 9})
		if err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 200 {
			t.Errorf("%.60s: %.300v", body, err)
		}
	}
}
