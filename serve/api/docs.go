package api

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // for the page
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"sync"
)

// page is the documentation, rendered once. It loads nothing, and its script asks this server alone.
type page struct {
	html   []byte
	policy string
}

var (
	//go:embed page/docs.html
	docsHTML string
	//go:embed page/docs.css
	docsStyle string
	//go:embed page/docs.js
	docsScript string
)

// document is what the page shows of the OpenAPI document.
type document struct {
	Info       struct{ Title, Version, Description string }
	Tags       []struct{ Name, Description string }
	Paths      ordered[ordered[operation]]
	Components struct {
		Parameters map[string]parameter
		Responses  map[string]answerDoc
	}
}

type operation struct {
	Tags                 []string
	Summary, Description string
	Parameters           []parameter
	RequestBody          *struct {
		Content map[string]struct{ Example json.RawMessage }
	}
	Responses map[string]answerDoc
	Role      string `json:"x-role"`
}

type parameter struct {
	Ref                            string `json:"$ref"`
	Name, In, Description, Example string
	Required                       bool
}

type answerDoc struct {
	Ref         string `json:"$ref"`
	Description string
}

// ordered is a JSON object whose order counts.
type ordered[V any] []named[V]

type named[V any] struct {
	Name  string
	Value V
}

// UnmarshalJSON reads an object.
func (o *ordered[V]) UnmarshalJSON(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return fmt.Errorf("want an object, not %v: %w", open, err)
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return fmt.Errorf("read a name: %w", err)
		}
		f := named[V]{Name: name.(string)}
		if err := d.Decode(&f.Value); err != nil {
			return fmt.Errorf("read %s: %w", f.Name, err)
		}
		*o = append(*o, f)
	}
	return nil
}

// group is the operations of one tag.
type group struct {
	Name, Description string
	Entries           []entryDoc
}

// entryDoc is one operation on the page.
type entryDoc struct {
	operation
	Method, Path, ID string
	Example          string
	HasBody          bool
	Answers          []statusDoc
	Refusals         []string // statuses
}

type statusDoc struct{ Status, Description string }

// Rows is the height of the field for the body.
func (e entryDoc) Rows() int { return strings.Count(e.Example, "\n") + 2 }

var docsTemplate = template.Must(template.New("docs").Parse(docsHTML))

var docsPage = sync.OnceValue(func() page {
	p, err := renderDocs(OpenAPI)
	if err != nil {
		panic(fmt.Sprintf("render /docs: %v", err)) // the document is part of the program, and a test reads it
	}
	return p
})

// renderDocs makes the page from an OpenAPI document: the operations by their first tag, in the document's order of tags and paths.
func renderDocs(openAPI []byte) (page, error) {
	var d document
	if err := json.Unmarshal(openAPI, &d); err != nil {
		return page{}, fmt.Errorf("read OpenAPI document: %w", err)
	}
	var groups []group
	for _, t := range d.Tags {
		groups = append(groups, group{Name: t.Name, Description: t.Description})
	}
	for _, path := range d.Paths {
		for _, method := range path.Value {
			at := slices.IndexFunc(groups, func(g group) bool { return slices.Index(method.Value.Tags, g.Name) == 0 })
			if at < 0 {
				return page{}, fmt.Errorf("%s %s needs a tag of the document's list", method.Name, path.Name)
			}
			groups[at].Entries = append(groups[at].Entries, d.entry(path.Name, method.Name, method.Value))
		}
	}
	var out bytes.Buffer
	err := docsTemplate.Execute(&out, struct {
		document
		Style  template.CSS
		Script template.JS
		Groups []group
	}{d, template.CSS(docsStyle), template.JS(docsScript), groups}) //nolint:gosec // files of ours
	if err != nil {
		return page{}, fmt.Errorf("render documentation: %w", err)
	}
	return page{html: out.Bytes(), policy: "default-src 'none'; style-src '" + digestOf(docsStyle) + "'; script-src '" + digestOf(docsScript) +
		"'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"}, nil
}

// digestOf is how a content security policy names a style or script.
func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// entry prepares an operation for the page.
func (d *document) entry(path, method string, o operation) entryDoc {
	e := entryDoc{Method: strings.ToUpper(method), Path: path, operation: o, HasBody: o.RequestBody != nil}
	e.ID = strings.Trim(strings.NewReplacer("/", "-", ".", "-", "{", "", "}", "").Replace(method+path), "-")
	e.Parameters = slices.Clone(o.Parameters)
	for i, p := range e.Parameters {
		if p.Ref != "" {
			e.Parameters[i] = d.Components.Parameters[p.Ref[strings.LastIndexByte(p.Ref, '/')+1:]]
		}
	}
	if e.HasBody {
		for _, content := range o.RequestBody.Content {
			var pretty bytes.Buffer
			if len(content.Example) > 0 && json.Indent(&pretty, content.Example, "", "  ") == nil {
				e.Example = pretty.String()
			}
		}
	}
	for status, r := range o.Responses {
		switch {
		case strings.HasSuffix(r.Ref, "/Problem"): // says nothing but that it is one
			if status != "default" {
				e.Refusals = append(e.Refusals, status)
			}
		case r.Ref != "":
			e.Answers = append(e.Answers, statusDoc{status, d.Components.Responses[r.Ref[strings.LastIndexByte(r.Ref, '/')+1:]].Description})
		default:
			e.Answers = append(e.Answers, statusDoc{status, r.Description})
		}
	}
	slices.Sort(e.Refusals)
	slices.SortFunc(e.Answers, func(a, b statusDoc) int { return strings.Compare(a.Status, b.Status) })
	return e
}
