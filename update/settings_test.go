package update_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"nightshift/internal/app"
	"nightshift/internal/config"
	"nightshift/internal/engine"
	"nightshift/onnx/gpt2"
	"nightshift/update"
	"nightshift/update/work"
)

var write = flag.Bool("write", false, "write the goldens of the settings")

// golden compares v with a file of testdata.
func golden(t *testing.T, name string, v any) {
	t.Helper()
	data, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name)
	if *write {
		if err := os.WriteFile(path, append(data, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(data)+"\n" {
		t.Errorf("%s differs from\n%s", name, data)
	}
}

// TestKeys pins the name, the type, the default and the limits of every key of the configuration; docs/configuration.md pins the documentation.
func TestKeys(t *testing.T) {
	keys := map[string]string{}
	leaves(reflect.ValueOf(config.Defaults()), "", func(name string, v reflect.Value, tag reflect.StructTag) {
		text := fmt.Sprintf("%v %v", v.Kind(), v.Interface())
		for _, limit := range []string{"oneof", "min", "max", "secret"} {
			if value, ok := tag.Lookup(limit); ok {
				text += " " + limit + " " + value
			}
		}
		keys[name] = text
	})
	golden(t, "keys.json", keys)
}

// leaves calls visit for everything below v that has a key and is no section, the fields of lists of mappings included.
func leaves(v reflect.Value, prefix string, visit func(string, reflect.Value, reflect.StructTag)) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name := prefix + f.Tag.Get("yaml")
		switch element := f.Type; {
		case f.Anonymous:
			leaves(v.Field(i), prefix, visit)
		case f.Tag.Get("yaml") == "-" || f.Tag.Get("yaml") == "":
		case element.Kind() == reflect.Struct:
			leaves(v.Field(i), name+".", visit)
		case element.Kind() == reflect.Slice && element.Elem().Kind() == reflect.Struct:
			leaves(reflect.New(element.Elem()).Elem(), name+"[].", visit)
			fallthrough
		default:
			visit(name, v.Field(i), f.Tag)
		}
	}
}

// TestSettingsOfAConfiguration pins what becomes of every learning key: settings.json is what nights work with where settings.yaml is the
// configuration, which says something else than the defaults of every key.
func TestSettingsOfAConfiguration(t *testing.T) {
	c, err := config.Load(filepath.Join("testdata", "settings.yaml"), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	unset := map[string]any{}
	leaves(reflect.ValueOf(config.Defaults().Update), "update.", func(name string, v reflect.Value, _ reflect.StructTag) { unset[name] = v.Interface() })
	for _, s := range []any{c.Update, c.Tracks["blocks"].Update} {
		leaves(reflect.ValueOf(s), "update.", func(name string, v reflect.Value, _ reflect.StructTag) {
			if old, ok := unset[name]; ok && !reflect.DeepEqual(old, v.Interface()) {
				delete(unset, name)
			}
		})
	}
	if len(unset) > 0 {
		t.Errorf("settings.yaml leaves at the default: %v", unset)
	}
	model := &engine.Model{Config: gpt2.Config{Context: 384}}
	of := func(c config.Config) map[string]any {
		u := (&app.Parts{ModelDir: "model", Cache: "cache", Model: model, Config: c}).UpdateConfig()
		all := map[string]any{"process": process(u), "update": settings(u, u.Settings)}
		for name, s := range u.Tracks {
			all["tracks."+name] = settings(u, s)
		}
		return all
	}
	golden(t, "settings.json", of(c))
	plain := config.Defaults()
	plain.Threads = 1 // by default as many as there are
	golden(t, "defaults.json", of(plain))
}

// process is what holds for all tracks.
func process(u update.Config) map[string]any {
	return map[string]any{"model": u.ModelDir, "cache": u.CacheDir, "weights": u.Weights, "threads": u.Threads, "deadline": u.Deadline, "nice": u.Nice,
		"memory_limit": u.MemoryLimit, "governor.target": u.Governor.Target, "governor.least": u.Governor.Least}
}

// settings is what a track's nights work with.
func settings(_ update.Config, s update.Settings) map[string]any {
	train := s.Train // as the work of a night gets it
	train.Objective = s.Objective
	return map[string]any{"schedule": s.Schedule, "time_zone": s.TimeZone, "anchors": s.Anchors, "probes": s.Probes, "forgetting": s.Forgetting,
		"min_new": s.MinNew, "min_age": s.MinAge, "held_out": s.HeldOut, "rotation": s.Rotation, "max_examples": s.MaxExamples, "per_subject": s.PerSubject,
		"near": s.Guard.Near, "subjects": s.Guard.Subjects, "cluster": s.Guard.Cluster, "phrase": s.Guard.Phrase, "within": s.Guard.Within,
		"outlier_loss": s.Guard.OutlierLoss, "outlier_gradient": s.Guard.OutlierGradient,
		"correction": s.Correction, "approval": s.Approval, "rehearse": s.Memory.Rehearse, "replace": s.Memory.Replace, "uniform": s.Memory.Uniform,
		"remembered_per_subject": s.Memory.PerSubject, "seed": s.Seed, "train": train, "blocked": s.Blocked, "canary.shares": s.Canary.Shares,
		"canary.step": s.Canary.Step, "canary.people": s.Canary.People, "canary.patience": s.Canary.Patience, "canary.error": s.Canary.Error,
		"initial.track": s.Initial.Track, "initial": work.Initial{Rounds: s.Initial.Rounds, Steps: s.Initial.Steps, Share: s.Initial.Share},
		"gate.retention_champion": s.Gate.RetentionChampion, "gate.retention_reference": s.Gate.RetentionReference, "gate.sign_test": s.Gate.SignTest,
		"gate.drift": s.Gate.Drift, "gate.taught": s.Gate.Taught, "gate.repetition": s.Gate.Repetition, "gate.length": s.Gate.Length, "gate.end_rate": s.Gate.EndRate,
		"gate.min_examples": s.Gate.MinExamples, "gate.min_subjects": s.Gate.MinSubjects, "gate.min_age": s.Gate.MinAge,
		"gate.max_subject_share": s.Gate.MaxSubjectShare, "gate.resamples": s.Gate.Resamples, "gate.seed": s.Gate.Seed,
		"rehearsal_limit": s.RehearsalLimit, "anchor_limit": s.AnchorLimit, "self_tests": s.SelfTests, "answers": s.Answers}
}
