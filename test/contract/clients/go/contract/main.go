// Command contract drives a server with openai-go. Results go to the suite as lines of JSON, through the file descriptor that
// CONTRACT_FD names; without it, to standard output.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"
)

const (
	question = "How long can I return an item?"
	answer   = "30 days" // is in the right answer; asked for at temperature 0
	followUp = "How much does shipping cost?"
	system   = "You work for an outdoor shop."

	refusalsWait = 2 * time.Minute // in which the busy server must refuse somebody once
)

var (
	client  = newClient(os.Getenv("CONTRACT_URL"), "none")
	guarded = newClient(os.Getenv("CONTRACT_GUARDED_URL"), os.Getenv("CONTRACT_KEY"), option.WithMaxRetries(0))
)

var people []string // of the case in progress

// person is one whom a request names. The suite looks in the store for all whom a case named; for their ratings, too, in "feedback".
func person(name string) string {
	people = append(people, os.Getenv("CONTRACT_USER")+"-"+name)
	return people[len(people)-1]
}

func newClient(url, key string, more ...option.RequestOption) openai.Client {
	return openai.NewClient(append([]option.RequestOption{option.WithBaseURL(url), option.WithAPIKey(key)}, more...)...)
}

var cases = []struct {
	name string
	try  func(context.Context) error
}{
	{"turn", turn},
	{"second turn", secondTurn},
	{"stream", stream},
	{"stream usage", streamUsage},
	{"system", systemMessage},
	{"parts", parts},
	{"name", name},
	{"neutral", neutral},
	{"batch", batch},
	{"models", models},
	{"user", named},
	{"feedback", feedback},
	{"responses", byResponses},
	{"400", badRequest},
	{"401", wrongKey},
	{"404", noModel},
	{"429", busy},
}

func main() {
	out := os.Stdout
	if fd, err := strconv.Atoi(os.Getenv("CONTRACT_FD")); err == nil {
		out = os.NewFile(uintptr(fd), "results")
	}
	report := json.NewEncoder(out)
	for _, c := range cases {
		_ = report.Encode(map[string]string{"case": c.name, "result": "begins"})
		people = nil
		if err := c.try(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, c.name, err)
			_ = report.Encode(map[string]string{"case": c.name, "result": "fail", "detail": err.Error()})
			continue
		}
		_ = report.Encode(map[string]any{"case": c.name, "result": "pass", "people": people})
	}
}

// chat is a request for the default model; without messages it asks the question.
func chat(messages ...openai.ChatCompletionMessageParamUnion) openai.ChatCompletionNewParams {
	if len(messages) == 0 {
		messages = []openai.ChatCompletionMessageParamUnion{openai.UserMessage(question)}
	}
	return openai.ChatCompletionNewParams{Model: "default", Messages: messages}
}

func ask(ctx context.Context, p openai.ChatCompletionNewParams, more ...option.RequestOption) (*openai.ChatCompletion, error) {
	c, err := client.Chat.Completions.New(ctx, p, more...)
	if err != nil {
		return nil, err
	}
	return c, checkText(c.Choices[0].Message.Content)
}

func checkText(text string) error {
	if strings.TrimSpace(text) == "" {
		return errors.New("the answer is empty")
	}
	return nil
}

// known asks at temperature 0, where the answer must be right.
func known(ctx context.Context, p openai.ChatCompletionNewParams) error {
	p.Temperature = openai.Float(0)
	c, err := ask(ctx, p)
	if err == nil && !strings.Contains(c.Choices[0].Message.Content, answer) {
		err = fmt.Errorf("the answer %q does not say %s", c.Choices[0].Message.Content, answer)
	}
	return err
}

func turn(ctx context.Context) error {
	_, err := ask(ctx, chat())
	return err
}

func secondTurn(ctx context.Context) error {
	first, err := ask(ctx, chat())
	if err != nil {
		return err
	}
	second, err := ask(ctx, chat(openai.UserMessage(question), first.Choices[0].Message.ToParam(), openai.UserMessage(followUp)))
	if err != nil {
		return err
	}
	if second.Usage.PromptTokens <= first.Usage.TotalTokens {
		return fmt.Errorf("the first turn had %d tokens, the second has a prompt of %d", first.Usage.TotalTokens, second.Usage.PromptTokens)
	}
	return nil
}

// streamed collects a stream.
func streamed(ctx context.Context, p openai.ChatCompletionNewParams) (*openai.ChatCompletionAccumulator, error) {
	s := client.Chat.Completions.NewStreaming(ctx, p)
	var all openai.ChatCompletionAccumulator
	for s.Next() {
		if !all.AddChunk(s.Current()) {
			return nil, fmt.Errorf("the chunk %s does not fit those before", s.Current().RawJSON())
		}
	}
	if err := s.Err(); err != nil {
		return nil, err
	}
	return &all, checkText(all.Choices[0].Message.Content)
}

func stream(ctx context.Context) error {
	_, err := streamed(ctx, chat())
	return err
}

func streamUsage(ctx context.Context) error {
	p := chat()
	p.StreamOptions.IncludeUsage = openai.Bool(true)
	all, err := streamed(ctx, p)
	if err == nil && all.Usage.CompletionTokens == 0 {
		err = errors.New("the stream has no usage")
	}
	return err
}

func systemMessage(ctx context.Context) error {
	plain, err := ask(ctx, chat())
	if err != nil {
		return err
	}
	for _, m := range []openai.ChatCompletionMessageParamUnion{openai.SystemMessage(system), openai.DeveloperMessage(system)} {
		c, err := ask(ctx, chat(m, openai.UserMessage(question)))
		if err != nil {
			return err
		}
		if c.Usage.PromptTokens <= plain.Usage.PromptTokens {
			return fmt.Errorf("the %s message is not in the prompt", *m.GetRole())
		}
	}
	return nil
}

func parts(ctx context.Context) error {
	return known(ctx, chat(openai.UserMessage([]openai.ChatCompletionContentPartUnionParam{
		openai.TextContentPart("How long can I"), openai.TextContentPart(" return an item?"),
	})))
}

func name(ctx context.Context) error {
	m := openai.UserMessage(question)
	m.OfUser.Name = openai.String("bob")
	return known(ctx, chat(m))
}

func neutral(ctx context.Context) error {
	p := chat()
	p.Tools = []openai.ChatCompletionToolUnionParam{}
	p.ToolChoice = openai.ChatCompletionToolChoiceOptionUnionParam{OfAuto: openai.String("none")}
	p.ParallelToolCalls = openai.Bool(true)
	p.ResponseFormat = openai.ChatCompletionNewParamsResponseFormatUnion{OfText: &shared.ResponseFormatTextParam{}}
	p.ServiceTier = openai.ChatCompletionNewParamsServiceTierAuto
	p.Modalities = []string{"text"}
	p.Verbosity = openai.ChatCompletionNewParamsVerbosityMedium
	p.ReasoningEffort = openai.ReasoningEffortNone
	p.Metadata = shared.Metadata{}
	p.LogitBias = map[string]int64{}
	p.MaxTokens = param.Null[int64]()
	p.N = openai.Int(1)
	return known(ctx, p)
}

func batch(ctx context.Context) error {
	c, err := client.Completions.New(ctx, openai.CompletionNewParams{
		Model: "default", MaxTokens: openai.Int(4),
		Prompt: openai.CompletionNewParamsPromptUnion{OfArrayOfStrings: []string{"How long can I", "How much does"}},
	})
	if err == nil && len(c.Choices) != 2 {
		err = fmt.Errorf("two prompts have %d answers", len(c.Choices))
	}
	return err
}

func models(ctx context.Context) error {
	for pages := client.Models.ListAutoPaging(ctx); ; {
		if !pages.Next() {
			return errors.Join(pages.Err(), errors.New("the list has no default"))
		}
		if pages.Current().ID == "default" {
			break
		}
	}
	_, err := client.Models.Get(ctx, "default")
	return err
}

func named(ctx context.Context) error {
	p := chat()
	p.User = openai.String(person("asks"))
	_, err := ask(ctx, p)
	p.User, p.SafetyIdentifier = param.Opt[string]{}, openai.String(person("safe"))
	_, second := ask(ctx, p)
	return errors.Join(err, second)
}

func feedback(ctx context.Context) error {
	p := chat()
	p.User = openai.String(person("rates"))
	var head *http.Response
	c, err := ask(ctx, p, option.WithResponseInto(&head))
	if err != nil {
		return err
	}
	if err := rate(ctx, head.Header.Get("X-Nightshift-Interaction"), head.Header.Get("X-Nightshift-Feedback-Token")); err != nil {
		return err
	}
	var origin struct {
		Interaction string `json:"interaction"`
		Token       string `json:"feedback_token"`
	}
	if err := json.Unmarshal([]byte(c.JSON.ExtraFields["nightshift"].Raw()), &origin); err != nil {
		return err
	}
	return rate(ctx, origin.Interaction, origin.Token)
}

func rate(ctx context.Context, interaction, token string) error {
	if token == "" {
		return fmt.Errorf("there is no token for %q", interaction)
	}
	var result struct {
		Accepted int `json:"accepted"`
	}
	body := map[string]any{"interaction": interaction, "token": token, "rating": "up"}
	if err := client.Post(ctx, "feedback", body, &result); err != nil {
		return err
	}
	if result.Accepted != 1 {
		return fmt.Errorf("%d items of feedback were accepted", result.Accepted)
	}
	return nil
}

func byResponses(ctx context.Context) error {
	respond := func(text, previous string) (*responses.Response, error) {
		p := responses.ResponseNewParams{Model: "default", Input: responses.ResponseNewParamsInputUnion{OfString: openai.String(text)}}
		if previous != "" {
			p.PreviousResponseID = openai.String(previous)
		}
		r, err := client.Responses.New(ctx, p)
		if err != nil {
			return nil, err
		}
		return r, checkText(r.OutputText())
	}
	first, err := respond(question, "")
	if err != nil {
		return err
	}
	second, err := respond(followUp, first.ID)
	if err != nil {
		return err
	}
	if second.Usage.InputTokens <= first.Usage.TotalTokens {
		return fmt.Errorf("the first turn had %d tokens, the second has a prompt of %d", first.Usage.TotalTokens, second.Usage.InputTokens)
	}
	s := client.Responses.NewStreaming(ctx, responses.ResponseNewParams{
		Model: "default", Input: responses.ResponseNewParamsInputUnion{OfString: openai.String(question)},
	})
	var text strings.Builder
	for s.Next() {
		if s.Current().Type == "response.output_text.delta" {
			text.WriteString(s.Current().Delta)
		}
	}
	return errors.Join(s.Err(), checkText(text.String()))
}

// refused says whether the error is of this status and has the words.
func refused(err error, status int, words ...string) error {
	var refusal *openai.Error
	if !errors.As(err, &refusal) || refusal.StatusCode != status {
		return fmt.Errorf("not refused with %d: %w", status, err)
	}
	for _, w := range words {
		if !strings.Contains(refusal.Message, w) {
			return fmt.Errorf("the message %q does not have %q", refusal.Message, w)
		}
	}
	return nil
}

func badRequest(ctx context.Context) error {
	p := chat()
	p.Temperature = openai.Float(9)
	_, err := ask(ctx, p)
	return refused(err, http.StatusBadRequest, "temperature")
}

func wrongKey(ctx context.Context) error {
	wrong := newClient(os.Getenv("CONTRACT_GUARDED_URL"), "wrong")
	_, err := wrong.Models.List(ctx)
	if err := refused(err, http.StatusUnauthorized); err != nil {
		return err
	}
	_, err = guarded.Chat.Completions.New(ctx, chat())
	return err
}

func noModel(ctx context.Context) error {
	p := chat()
	p.Model = "nope"
	_, err := ask(ctx, p)
	return refused(err, http.StatusNotFound, "nope")
}

// busy: the suite keeps the guarded server busy; sooner or later it refuses.
func busy(ctx context.Context) error {
	for end := time.Now().Add(refusalsWait); time.Now().Before(end); {
		if _, err := guarded.Chat.Completions.New(ctx, chat()); err != nil {
			return refused(err, http.StatusTooManyRequests)
		}
	}
	return fmt.Errorf("no refusal in %v", refusalsWait)
}
