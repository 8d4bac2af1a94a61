package template

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/config"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/loaders"
	"github.com/nikolalohinski/gonja/v2/nodes"
	"github.com/nikolalohinski/gonja/v2/parser"
	"github.com/nikolalohinski/gonja/v2/tokens"
)

// What a template may use of gonja.
var (
	statements = []string{"for", "if", "set", "with", "raw", "break", "continue"}
	filters    = []string{"abs", "capitalize", "count", "d", "default", "dictsort", "first", "float", "int", "items", "join",
		"last", "length", "list", "lower", "map", "reject", "rejectattr", "replace", "reverse", "safe", "select", "selectattr",
		"sort", "string", "title", "trim", "unique", "upper"}
	methods = []string{"capitalize", "count", "endswith", "find", "isalnum", "isalpha", "isascii", "isdecimal", "isdigit",
		"islower", "isnumeric", "isspace", "isupper", "join", "lower", "lstrip", "removeprefix", "removesuffix", "replace",
		"rfind", "rstrip", "split", "rsplit", "splitlines", "startswith", "strip", "title", "upper"}
)

// state is what one render has used, in the template's context under a name that no template can write.
type state struct {
	deadline time.Time
	steps    int
	failed   error // a limit
	refused  *Refusal
}

const stateName = "\x00state"

// environment is the part of gonja that templates see.
var environment = &exec.Environment{
	Context:           exec.EmptyContext(),
	Filters:           exec.NewFilterSet(allowedFilters()),
	Tests:             builtins.Tests,
	ControlStructures: exec.NewControlStructureSet(allowedStatements()),
	Methods: exec.Methods{
		Bool: builtins.Methods.Bool, Int: builtins.Methods.Int, Float: builtins.Methods.Float,
		Dict: builtins.Methods.Dict, List: builtins.Methods.List, Str: exec.NewMethodSet(allowedMethods()),
	},
}

func allowedFilters() map[string]exec.FilterFunction {
	out := map[string]exec.FilterFunction{}
	for _, name := range filters {
		run, ok := builtins.Filters.Get(name)
		if !ok {
			panic("no filter " + name)
		}
		out[name] = func(e *exec.Evaluator, in *exec.Value, params *exec.VarArgs) *exec.Value {
			if err := grows(name, in, params); err != nil {
				return exec.AsValue(err)
			}
			if name == "trim" && in.IsString() && len(params.Args)+len(params.KwArgs) == 0 {
				return exec.AsValue(strings.TrimFunc(in.String(), isSpace))
			}
			return run(e, in, params)
		}
	}
	return out
}

func allowedMethods() map[string]exec.Method[string] {
	out := map[string]exec.Method[string]{}
	for _, name := range methods {
		run, ok := corrected[name]
		if !ok {
			run, ok = builtins.Methods.Str.Get(name)
		}
		if !ok {
			panic("no method " + name)
		}
		out[name] = func(self string, value *exec.Value, params *exec.VarArgs) (any, error) {
			if err := grows(name, exec.AsValue(self), params); err != nil {
				return nil, err
			}
			result, err := run(self, value, params)
			if parts, ok := result.([]string); ok {
				return sealed(parts), err
			}
			if result != nil && reflect.TypeOf(result).Kind() == reflect.Slice {
				return nil, fmt.Errorf("method %s is not supported", name)
			}
			return result, err
		}
	}
	return out
}

// grows refuses a replacement or a join that would make a text over the limit.
func grows(name string, in *exec.Value, params *exec.VarArgs) error {
	size := 0
	longest := func() (n int) {
		for _, a := range params.Args {
			n = max(n, weight(a, 0))
		}
		for _, a := range params.KwArgs {
			n = max(n, weight(a, 0))
		}
		return n
	}
	switch name {
	case "replace":
		if len(params.Args) == 2 {
			size = (1 + strings.Count(in.String(), params.Args[0].String())) * len(params.Args[1].String())
		} else {
			size = (1 + weight(in, 0)) * longest()
		}
	case "join":
		size = (1 + max(in.Len(), longest())) * max(1, min(weight(in, 0), longest()))
	}
	if size > 16*maxOutput {
		return fmt.Errorf("%s makes a text over the limit of %d bytes", name, maxOutput)
	}
	return nil
}

func allowedStatements() map[string]parser.ControlStructureParser {
	out := map[string]parser.ControlStructureParser{"generation": parseGeneration}
	for _, name := range statements {
		parse, ok := builtins.ControlStructures.Get(name)
		if !ok {
			panic("no statement " + name)
		}
		out[name] = func(p, args *parser.Parser) (nodes.ControlStructure, error) {
			target := ""
			if name == "set" && args.Current() != nil {
				target = args.Current().Val
			}
			line := 0
			if at := p.Current(); at != nil {
				line = at.Line
			}
			made, err := parse(p, args)
			var syntax *parser.SyntaxError
			if errors.As(err, &syntax) && syntax.Line == 0 {
				syntax.Line, syntax.Raw = line, name
			}
			if err != nil {
				return nil, err
			}
			run, ok := made.(exec.ControlStructure)
			if !ok {
				return nil, fmt.Errorf("statement %s cannot run", name)
			}
			return &counted{run, target}, nil
		}
	}
	return out
}

// counted is a statement that counts as a step, and whose variable is weighed if it sets one.
type counted struct {
	exec.ControlStructure
	target string
}

func (c *counted) Execute(r *exec.Renderer, block *nodes.ControlStructureBlock) error {
	value, _ := r.Environment.Context.Get(stateName)
	s, ok := value.(*state)
	if !ok {
		return errors.New("no state")
	}
	s.steps++
	switch {
	case s.failed != nil:
	case s.steps > maxSteps:
		s.failed = fmt.Errorf("more than %d steps", maxSteps)
	case time.Now().After(s.deadline):
		s.failed = fmt.Errorf("more than %v", maxTime)
	}
	if s.failed != nil {
		return s.failed
	}
	if err := c.ControlStructure.Execute(r, block); err != nil || c.target == "" {
		return err
	}
	set, _ := r.Environment.Context.Get(c.target)
	if weight(exec.AsValue(set), 0) > maxOutput {
		s.failed = fmt.Errorf("%s is over the limit of %d bytes", c.target, maxOutput)
	}
	return s.failed
}

// weight is about how many bytes a value has.
func weight(v *exec.Value, depth int) int {
	if inner, ok := v.Interface().(*exec.Value); ok {
		v = inner
	}
	switch {
	case v == nil || v.IsNil() || depth > 8:
		return 1
	case v.IsString():
		return len(v.String())
	case v.IsList() || v.IsDict():
		sum := 0
		v.Iterate(func(_, _ int, key, value *exec.Value) bool {
			sum += 16 + weight(key, depth+1)
			if value != nil {
				sum += weight(value, depth+1)
			}
			return sum <= maxOutput
		}, func() {})
		if m, ok := v.Interface().(map[string]any); ok {
			for _, value := range m {
				sum += weight(exec.AsValue(value), depth+1)
			}
		}
		return sum
	}
	return 1
}

// generation is {% generation %}, which marks what an assistant said for training: its body as it is.
type generation struct {
	at   *tokens.Token
	body *nodes.Wrapper
}

func parseGeneration(p, args *parser.Parser) (nodes.ControlStructure, error) {
	g := &generation{at: p.Current()}
	body, end, err := p.WrapUntil("endgeneration")
	if err == nil && (!args.End() || !end.End()) {
		err = args.Error("generation takes no arguments", args.Current())
	}
	g.body = body
	return g, err
}

func (g *generation) Position() *tokens.Token { return g.at }
func (g *generation) String() string          { return "generation" }
func (g *generation) Execute(r *exec.Renderer, _ *nodes.ControlStructureBlock) error {
	return r.ExecuteWrapper(g.body)
}

// limited is a writer that stops at maxOutput bytes.
type limited struct {
	out   strings.Builder
	state *state
}

func (l *limited) Write(p []byte) (int, error) {
	if l.out.Len()+len(p) > maxOutput {
		l.state.failed = fmt.Errorf("the prompt is over the limit of %d bytes", maxOutput)
		return 0, l.state.failed
	}
	return l.out.Write(p)
}

// alone is a loader of one template: there is nothing else to include.
type alone struct{ source string }

func (a alone) Read(string) (io.Reader, error) { return strings.NewReader(a.source), nil }
func (a alone) Resolve(path string) (string, error) {
	return "", fmt.Errorf("template %q: a chat template has no other files", path)
}
func (a alone) Inherit(string) (loaders.Loader, error) { return a, nil }

// settings are those of transformers.
func settings() *config.Config {
	c := config.New()
	c.TrimBlocks, c.LeftStripBlocks = true, true
	return c
}

func compile(source string) (t *exec.Template, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it does not parse: %v", p)
		}
	}()
	if err := scan(source); err != nil {
		return nil, err
	}
	t, err = exec.NewTemplate("chat template", settings(), alone{source}, environment)
	var syntax *parser.SyntaxError
	if errors.As(err, &syntax) {
		return nil, fmt.Errorf("line %d, column %d: %s near %q", syntax.Line, syntax.Column, syntax.Message, syntax.Raw)
	}
	if err != nil { // the library puts the whole template before the cause
		text := err.Error()
		return nil, errors.New(text[strings.LastIndex(text, "': ")+1:])
	}
	return t, nil
}

// scan refuses by name what a template must not use.
func scan(source string) error {
	var before *tokens.Token
	for s := tokens.LexAll(source, settings()); ; {
		now := s.Current()
		if s.End() {
			return nil // the parser reports what does not lex
		}
		refuse := func(what string) error { return fmt.Errorf("line %d: %s is not supported", now.Line, what) }
		switch {
		case now.Type == tokens.Multiply, now.Type == tokens.Power:
			return refuse("arithmetic with " + now.Val)
		case now.Type != tokens.Name || before == nil:
		case before.Type == tokens.BlockBegin && !slices.Contains(statements, now.Val) && !known.MatchString(now.Val):
			return refuse("statement " + now.Val)
		case before.Type == tokens.Pipe && !slices.Contains(filters, now.Val):
			return refuse("filter " + now.Val)
		case now.Val == "recursive":
			return refuse("a recursive loop")
		}
		before = s.Next()
	}
}

// known are the words that continue or end a statement.
var known = regexp.MustCompile(`^(generation|elif|else|end[a-z]+)$`)

// run executes a template.
func run(t *exec.Template, data map[string]any) (text string, err error) {
	s := &state{deadline: time.Now().Add(maxTime)}
	data[stateName] = s
	data["range"], data["namespace"], data["dict"] = numbers, namespace, namespace
	data["raise_exception"] = func(_ *exec.Evaluator, params *exec.VarArgs) (string, error) {
		s.refused = &Refusal{"no reason given"}
		if len(params.Args) > 0 {
			s.refused.Message = params.Args[0].String()
		}
		return "", s.refused
	}
	out := &limited{state: s}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it fails: %v", p)
		}
	}()
	err = t.Execute(out, exec.NewContext(data))
	switch {
	case err == nil:
		return out.out.String(), nil
	case s.refused != nil:
		return "", fmt.Errorf("%s%w", line(err), s.refused)
	case s.failed != nil:
		return "", fmt.Errorf("%s%w", line(err), s.failed)
	}
	return "", fmt.Errorf("%s%s", line(err), cause(err))
}

// cause is what the library says is wrong, without the values that it quotes: they may be what a user wrote.
func cause(err error) string {
	text := err.Error()
	if method := unknownMethod.FindString(text); method != "" {
		return method + " is not supported"
	}
	if at := strings.LastIndex(text, ": "); at >= 0 {
		text = text[at+2:]
	}
	text, _, _ = strings.Cut(text, " '")
	return text[:min(len(text), 200)]
}

var unknownMethod = regexp.MustCompile(`unknown method '\w+'`)

var atLine = regexp.MustCompile(`at line (\d+)`)

// line is the innermost line that an error of the library names.
func line(err error) string {
	all := atLine.FindAllStringSubmatch(err.Error(), -1)
	if len(all) == 0 {
		return ""
	}
	return "line " + all[len(all)-1][1] + ": "
}
