package app

import (
	"cmp"
	"fmt"
	"runtime"

	"nightshift/internal/config"
	"nightshift/update"
	"nightshift/update/train/method"
	"nightshift/update/work"
)

// UpdateConfig turns the configuration into the updater's.
func (p *Parts) UpdateConfig() update.Config {
	c := p.Config
	threads := cmp.Or(c.Update.Threads, c.Threads, runtime.GOMAXPROCS(0)) // frozen with the night: a replay computes with as many
	u := update.Config{ModelDir: p.ModelDir, CacheDir: p.Cache, Weights: p.Model.Weights(), Threads: threads, Deadline: c.Update.Deadline, Nice: c.Update.Nice,
		Governor: update.Governor{Target: c.Update.Governor.Target, Least: c.Update.Governor.Least},
		Settings: p.settings(c.Update), Tracks: map[string]update.Settings{}}
	if c.Update.MemoryLimit > 0 {
		u.MemoryLimit = fmt.Sprintf("%dMiB", c.Update.MemoryLimit)
	}
	for track := range c.Tracks {
		u.Tracks[track] = p.settings(c.UpdateOf(track))
	}
	return u
}

// microTokens bounds a microbatch, and with it the memory of training.
const microTokens = 1024

// settings turns one track's learning configuration into the updater's.
func (p *Parts) settings(u config.Update) update.Settings {
	s := update.Defaults()
	s.Schedule, s.TimeZone, s.Anchors, s.Probes, s.Forgetting = u.Schedule, u.TimeZone, u.Anchors, u.Probes, u.Forgetting
	e, t, g := u.Evidence, u.Train, u.Gate
	s.MinNew, s.MinAge, s.HeldOut, s.PerSubject, s.MaxExamples = e.MinNewExamples, e.Quarantine, e.HeldOut, e.PerSubject, e.MaxExamples
	s.Rotation = e.Rotation
	s.Guard = update.Guard{Near: e.NearDuplicates, Subjects: e.ClusterSubjects, Cluster: e.ClusterExamples, Phrase: e.PhraseExamples, Within: e.ConfirmWithin,
		OutlierLoss: e.OutlierLoss, OutlierGradient: e.OutlierGradient}
	s.Objective, s.Memory = t.Objective, update.Memory{Rehearse: t.RehearsalPolicy, Replace: t.RehearsalReplacement, Uniform: t.RehearsalUniform, PerSubject: u.Memory.PerSubject}
	s.Correction, s.Approval, s.Seed = t.CorrectionWeight, t.ApprovalWeight, t.Seed
	columns := min(t.RowTokens, p.Model.Config.Context)
	rows := max(1, min(t.BatchTokens, microTokens)/columns)
	s.Train.Rank, s.Train.Alpha, s.Train.RSLoRA, s.Train.Modules, s.Train.Budget = t.Rank, t.Alpha, t.RSLoRA, modules(t.Modules, p.Model.Config), t.ModuleBudget
	s.Train.Layers, _ = t.LayerNumbers() // checked when it was loaded
	s.Train.Rate, s.Train.Epochs, s.Train.Warmup, s.Train.Decay, s.Train.Clip = cmp.Or(t.LearningRate, p.learning.LearningRate), float64(t.Epochs), t.Warmup, t.WeightDecay, t.Clip
	s.Train.Learned, s.Train.MaxSteps, s.Train.MaxTime = t.Learned, t.MaxSteps, t.MaxTime
	s.Train.Columns, s.Train.Rows, s.Train.Micro = columns, rows, max(1, t.BatchTokens/(rows*columns))
	s.Train.Rehearsal, s.Train.KL, s.Train.Methods = t.RehearsalRatio, t.KLShare, method.Settings(t.Methods)
	s.Train.KLNew, s.Train.StoredTeachers = t.KLShareNew, t.Teacher == "stored"
	s.Train.Preferences, s.Train.Ratings = work.Preferences(t.Preferences), work.Ratings(t.Ratings)
	s.Gate.RetentionChampion, s.Gate.RetentionReference, s.Gate.SignTest = g.RetentionChampion, g.RetentionReference, g.SignTest
	s.Gate.Drift, s.Gate.Taught = g.Drift, g.Taught
	s.Canary = update.Canary(u.Canary)
	s.Initial = update.Initial{Track: u.Initial.Track, Initial: work.Initial{Rounds: u.Initial.Rounds, Steps: u.Initial.Steps, Share: u.Initial.Share}}
	s.Gate.Repetition, s.Gate.Length, s.Gate.EndRate, s.Gate.Resamples = g.Repetition, g.Length, g.EndOfText, g.Bootstrap
	s.Blocked = g.Blocked
	s.Gate.MinExamples, s.Gate.MinSubjects, s.Gate.MinAge, s.Gate.MaxSubjectShare = e.MinNewExamples, e.MinSubjects, e.Quarantine, e.LargestShare
	return s
}
