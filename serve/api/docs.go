package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"sort"
	"strings"
	"sync"
)

// page is the documentation, rendered once. It loads nothing.
type page struct {
	html   []byte
	policy string
}

// document is what the page shows of the OpenAPI document.
type document struct {
	Info  struct{ Title, Version, Description string }
	Paths map[string]map[string]operation
}

type operation struct {
	Summary, Description string
	Parameters           []struct{ Name, In, Description string }
	RequestBody          struct {
		Content map[string]struct {
			Schema  schemaRef
			Example json.RawMessage
		}
	}
	Responses map[string]struct {
		Description string
		Content     map[string]struct{ Schema schemaRef }
	}
	Role string `json:"x-role"`
}

type schemaRef struct {
	Ref string `json:"$ref"`
}

// entryDoc is one operation on the page.
type entryDoc struct {
	Method, Path, ID string
	operation
	Example   string
	Responses []responseDoc
}

type responseDoc struct{ Status, Description string }

const docsStyle = `
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 54rem; padding: 2rem 1rem; color: #1c2733; background: #fff }
h1 { margin: 0 } h2 { font-size: 1rem; margin: 2rem 0 .25rem; border-top: 1px solid #d5dce3; padding-top: 1rem }
code, pre { font: 14px/1.4 ui-monospace, monospace } pre { background: #f3f5f7; padding: .75rem; overflow-x: auto; border-radius: 4px }
b { display: inline-block; min-width: 4rem; color: #0b5cad } .role { color: #5b6875; font-weight: normal; float: right }
ul { margin: .25rem 0; padding-left: 1.25rem } nav { columns: 2; margin: 1.5rem 0 } nav a { display: block; color: inherit; text-decoration: none }
@media (prefers-color-scheme: dark) { body { color: #dde4ea; background: #14191f } pre { background: #1e262e } h2 { border-color: #35404b } b { color: #7ab8f5 } }
`

var docsTemplate = template.Must(template.New("docs").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{.Info.Title}} API</title><style>{{.Style}}</style></head><body>
<h1>{{.Info.Title}} API</h1><p>{{.Info.Description}}</p><p>The same as a machine reads it: <a href="openapi.json">openapi.json</a>.</p>
<nav>{{range .Entries}}<a href="#{{.ID}}"><b>{{.Method}}</b> <code>{{.Path}}</code></a>{{end}}</nav>
{{range .Entries}}<h2 id="{{.ID}}"><b>{{.Method}}</b> <code>{{.Path}}</code>{{if .Role}} <span class="role">role {{.Role}}</span>{{end}}</h2>
<p>{{.Summary}}{{if .Description}} {{.Description}}{{end}}</p>
{{if .Parameters}}<ul>{{range .Parameters}}<li><code>{{.Name}}</code> ({{.In}}) {{.Description}}</li>{{end}}</ul>{{end}}
{{if .Example}}<pre>{{.Example}}</pre>{{end}}
<ul>{{range .Responses}}<li><code>{{.Status}}</code> {{.Description}}</li>{{end}}</ul>
{{end}}</body></html>
`))

var docsPage = sync.OnceValue(func() page {
	p, err := renderDocs(OpenAPI)
	if err != nil {
		panic(fmt.Sprintf("render /docs: %v", err)) // the document is part of the program, and a test reads it
	}
	return p
})

// renderDocs makes the page from an OpenAPI document.
func renderDocs(openAPI []byte) (page, error) {
	var d document
	if err := json.Unmarshal(openAPI, &d); err != nil {
		return page{}, fmt.Errorf("read OpenAPI document: %w", err)
	}
	var entries []entryDoc
	for path, operations := range d.Paths {
		for method, o := range operations {
			e := entryDoc{Method: strings.ToUpper(method), Path: path, operation: o}
			e.ID = strings.Trim(strings.NewReplacer("/", "-", "{", "", "}", "").Replace(method+path), "-")
			for _, content := range o.RequestBody.Content {
				var pretty bytes.Buffer
				if len(content.Example) > 0 && json.Indent(&pretty, content.Example, "", "  ") == nil {
					e.Example = pretty.String()
				}
			}
			for status, r := range o.Responses {
				e.Responses = append(e.Responses, responseDoc{status, r.Description})
			}
			sort.Slice(e.Responses, func(i, j int) bool { return e.Responses[i].Status < e.Responses[j].Status })
			entries = append(entries, e)
		}
	}
	sort.Slice(entries, func(i, j int) bool {
		return entries[i].Path+entries[i].Method < entries[j].Path+entries[j].Method
	})
	var out bytes.Buffer
	err := docsTemplate.Execute(&out, struct {
		document
		Style   template.CSS
		Entries []entryDoc
	}{d, docsStyle, entries})
	if err != nil {
		return page{}, fmt.Errorf("render documentation: %w", err)
	}
	sum := sha256.Sum256([]byte(docsStyle))
	return page{html: out.Bytes(), policy: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"}, nil
}
