package night_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"nightshift/internal/app"
	"nightshift/internal/engine"
	"nightshift/models/arch"
	"nightshift/models/checkpoint"
	"nightshift/update/night"
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
	leaves(reflect.ValueOf(app.Defaults()), "", func(name string, v reflect.Value, tag reflect.StructTag) {
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
	c, err := app.LoadConfig(filepath.Join("testdata", "settings.yaml"), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	unset := map[string]any{}
	leaves(reflect.ValueOf(app.Defaults().Update), "update.", func(name string, v reflect.Value, _ reflect.StructTag) { unset[name] = v.Interface() })
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
	model := &engine.Model{Checkpoint: &checkpoint.Checkpoint{}, Config: arch.GPT2(arch.Shape{Context: 384})}
	of := func(c app.Config) map[string]any {
		u := (&app.Parts{ModelDir: "model", Cache: "cache", Model: model, Config: c}).NightConfig()
		all := map[string]any{"process": process(u), "update": settings(u, u.Settings)}
		for name, s := range u.Tracks {
			all["tracks."+name] = settings(u, s)
		}
		return all
	}
	golden(t, "settings.json", of(c))
	plain := app.Defaults()
	plain.Threads = 1 // by default as many as there are
	golden(t, "defaults.json", of(plain))
}

// process is what holds for all tracks.
func process(u night.Config) map[string]any {
	limit := ""
	if u.MemoryLimit > 0 {
		limit = fmt.Sprintf("%dMiB", u.MemoryLimit)
	}
	return map[string]any{"model": u.ModelDir, "cache": u.CacheDir, "weights": u.Weights, "threads": u.Threads, "deadline": u.Deadline, "nice": u.Nice,
		"memory_limit": limit, "governor.target": u.Governor.Target, "governor.min_share": u.Governor.MinShare}
}

// settings is what a track's nights work with.
func settings(u night.Config, s night.Settings) map[string]any {
	e, t, l := s.Evidence, s.Train, night.LimitsOf(s)
	rehearsal, anchors, selfTests, answers := night.SizesOf(u)
	return map[string]any{"schedule": s.Schedule, "time_zone": s.TimeZone, "anchors": s.Anchors, "probes": s.Probes, "forgetting": s.Forgetting,
		"min_new": e.MinExamples, "min_age": e.MinAge, "held_out": e.HeldOut, "rotation": e.Rotation, "max_examples": e.MaxExamples, "per_subject": e.PerSubject,
		"near": e.NearDuplicates, "subjects": e.ClusterSubjects, "cluster": e.ClusterExamples, "phrase": e.PhraseExamples, "within": e.ConfirmWithin,
		"outlier_loss": e.OutlierLoss, "outlier_gradient": e.OutlierGradient,
		"correction": t.CorrectionWeight, "approval": t.ApprovalWeight, "rehearse": t.RehearsalPolicy, "replace": t.RehearsalReplacement, "uniform": t.RehearsalUniform,
		"remembered_per_subject": s.Memory.PerSubject, "seed": t.Seed, "train": night.TrainOf(u, s), "blocked": s.Gate.Blocked, "canary.shares": s.Canary.Shares,
		"canary.step": s.Canary.Step, "canary.people": s.Canary.People, "canary.patience": s.Canary.Patience, "canary.error": s.Canary.Error,
		"warm_start.track": s.WarmStart.Track, "warm_start": s.WarmStart.WarmStart,
		"gate.retention_champion": l.RetentionChampion, "gate.retention_reference": l.RetentionReference, "gate.sign_test": l.SignTest,
		"gate.drift": l.Drift, "gate.taught": l.Taught, "gate.repetition": l.Repetition, "gate.length": l.Length, "gate.end_rate": l.EndRate,
		"gate.min_examples": l.MinExamples, "gate.min_subjects": l.MinSubjects, "gate.min_age": l.MinAge,
		"gate.max_subject_share": l.MaxSubjectShare, "gate.resamples": l.Resamples, "gate.seed": l.Seed,
		"rehearsal_limit": rehearsal, "anchor_limit": anchors, "self_tests": selfTests, "answers": answers}
}
