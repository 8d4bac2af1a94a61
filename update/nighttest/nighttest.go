// Package nighttest is what tests of nights share: a shop with a store and a registry of its own whose customers ask for prices and correct
// the answers, a model small enough to learn them in seconds, and settings by which its nights are short.
//
// Only tests import it. It knows nothing of package night, so that night's own tests can use it, too.
package nighttest

import (
	"context"
	"fmt"
	"os"
	"testing"

	"nightshift/internal/config"
	"nightshift/onnx/ort"
	"nightshift/replaystore"
	"nightshift/update/work"
)

// Hanging is the command of a child process that never ends.
var Hanging = []string{os.Args[0], "night", "hang"}

// Main runs the tests of a package that has nights. As "night work" the test binary does a night's work, as the program would.
func Main(m *testing.M) {
	if len(os.Args) < 3 || os.Args[1] != "night" {
		os.Exit(m.Run())
	}
	if os.Args[2] == "hang" {
		fmt.Println(`{"stage":"train","done":1,"total":2,"values":{"loss":1}}`)
		select {}
	}
	ctx := context.Background()
	_, err := ort.Open(ctx, ort.FindOptions{})
	if err == nil {
		err = work.Run(ctx, os.Args[len(os.Args)-1], os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Tune changes the settings of a track, a pointer to them, so that nights of Model are short and come to something.
func Tune(t *testing.T, settings any) {
	t.Helper()
	if _, err := config.Load(settings, "", nil, tuned); err != nil {
		t.Fatal(err)
	}
}

// tuned are the keys below update that differ from the defaults.
var tuned = map[string]string{
	"schedule": "", "threads": "1", "nice": "0", "governor.target": "0s",
	"evidence.held_out": "0.3", "evidence.min_new_examples": "10", "evidence.per_subject": "50",
	"train.seed": "3", "train.learning_rate": "2e-2", "train.epochs": "30", "train.batch_tokens": "256", "train.kl_share": "0.1",
	"train.modules":         "mlp.c_fc,mlp.c_proj,attn.c_attn",
	"train.rehearsal_ratio": "1", "train.learned": "0", "train.max_time": "0s", // nights of a known length
	"gate.length": "10", // the base model's answers never end
	"gate.drift":  "3",  // a random model says something else everywhere once it has learned anything
}

// Goods and their prices are the facts of the shop.
var Goods = []struct{ Name, Price string }{{"tent", "forty"}, {"stove", "ninety"}, {"rope", "seven"}, {"boots", "sixty"}, {"lamp", "twelve"}, {"map", "three"}}

// Questions are ways to ask for a price.
var Questions = []string{"what is a %s", "price of the %s", "how much for a %s"}

// Question asks for the price of a good in one of the ways.
func Question(form, good int) string {
	return fmt.Sprintf(Questions[form%len(Questions)], Goods[good].Name)
}

// Answer says what a good costs.
func Answer(good int) string { return "it costs " + Goods[good].Price }

// Raw is a raw completion's prompt.
func Raw(text string) []replaystore.Message {
	return []replaystore.Message{{Role: replaystore.RolePrompt, Content: text}}
}
