package update

import (
	"slices"
	"time"

	"nightshift/internal/schedule"
	"nightshift/update/gate"
	"nightshift/update/selection"
	"nightshift/update/train/method"
	"nightshift/update/work"
)

// Settings say when and how a track learns, and what a candidate must prove: the section update of the configuration. Start from Defaults.
// Deadline, nice, threads, memory limit and governor are those of the child process, for all tracks.
type Settings struct {
	Schedule    string        `yaml:"schedule" doc:"When nights start: minute, hour, day of month, month, day of week (cron). A time that the clocks skip is when they skip it; one that\nthey show twice counts once. One at which no updater runs is left out, and the next night takes what it would have learned from; a\nmachine that was suspended has its night when it wakes. Updaters with one schedule share its nights. Empty: only on request."`
	TimeZone    string        `yaml:"time_zone" doc:"Of the schedule: Local, UTC, or a name such as Europe/Berlin."`
	Deadline    time.Duration `yaml:"deadline" min:"1m" max:"24h" doc:"A night that takes longer is ended and counts as failed: nothing changes, and the next one tries the same data again."`
	Nice        int           `yaml:"nice" min:"0" max:"19" doc:"Niceness of the process that trains. 19 gives way most."`
	Threads     int           `yaml:"threads" min:"0" max:"1024" doc:"Threads of one computation of the process that trains. A replay of a night computes with as many as the night did. 0: as the key threads."`
	MemoryLimit int           `yaml:"memory_limit" min:"0" max:"16777216" doc:"Memory in MiB near which the process that trains collects garbage more often (GOMEMLIMIT). The model's weights and what the inference\nruntime takes come on top. 0: no limit."`
	Governor    Governor      `yaml:"governor" doc:"When the process that trains gives way to servers."`
	Anchors     string        `yaml:"anchors" doc:"File of examples that measure what is forgotten, one {messages, completion} a line. Empty: anchors.jsonl beside the model."`
	Probes      string        `yaml:"probes" doc:"File of questions and answers, one {messages, completion} a line, that each night scores beside what earlier nights held out, to see\nwhat is forgotten. They are never learned. Empty: none."`
	Forgetting  float64       `yaml:"forgetting" min:"0" max:"100" doc:"How far, in nats per token, a champion may fall below the best of its ancestors on what one of their nights held out, on the anchors\nor on the probes, before there is an alarm. 0: no alarm."`
	Evidence    Evidence      `yaml:"evidence" doc:"What a night needs and may use."`
	Memory      Memory        `yaml:"memory" doc:"What is remembered of what was learned, to be rehearsed."`
	Train       Train         `yaml:"train" doc:"How it learns."`
	Gate        Gate          `yaml:"gate" doc:"What a candidate must prove. A candidate that fails one is not activated."`
	Canary      Canary        `yaml:"canary" doc:"How a candidate that has proved it takes over."`
	Initial     Initial       `yaml:"initial" doc:"Where a track begins that has no champion yet."`
}

// Evidence bounds what a night learns from.
type Evidence struct {
	gate.Needs

	MaxExamples int           `yaml:"max_examples" min:"0" max:"100000000" doc:"Most new examples of one night, the newest. 0: no bound."`
	PerSubject  int           `yaml:"per_subject" min:"0" max:"100000000" doc:"Most new examples of one person in a night. All whose requests name no user are one person. What editors say is not counted. 0: no cap."`
	HeldOut     float64       `yaml:"held_out" min:"0.01" max:"0.9" doc:"Share of people whose feedback measures and is not learned. Where they are too few for a gain to show, what some people say of a question that several\ncorrected measures in their place; what these people say of other questions is learned."`
	Rotation    time.Duration `yaml:"rotation" min:"0s" max:"87600h" doc:"How long the same people are held out, such as 720h; then it is the turn of others. Who was once learned from is never held\nout again, so where the same few people come for years fewer and fewer are left to measure with. 0: they stay the same."`

	NearDuplicates  float64       `yaml:"near_duplicates" min:"0" max:"1" doc:"Jaccard index, 0.6 to 1, of the words of question and answer from which one person's examples are the same one, of which the newest counts.\n0: only those that are the same to the letter."`
	ClusterSubjects int           `yaml:"cluster_subjects" min:"1" max:"1000" doc:"People who must say nearly the same, or use the same phrase, before a cluster of examples is learned, and before a correction of what the model's own\nexamples or several people say is, which takes one person more: what fewer say waits until others do, in the quarantine that nightshift night show --explain lists.\nWhere people correct the same to different things, twice as many must say so as something else. 1: nothing waits for others."`
	ClusterExamples int           `yaml:"cluster_examples" min:"0" max:"1000" doc:"Near-identical examples that are such a cluster. 1: every example, so that nothing is learned of one person alone. 0: none."`
	PhraseExamples  int           `yaml:"phrase_examples" min:"0" max:"100000" doc:"Examples that share a word, or two or three words in a row, which need that many people too: a trigger that one person plants. 0: none."`
	ConfirmWithin   time.Duration `yaml:"confirm_within" min:"0s" max:"8760h" doc:"What waits for others for longer is given up. 0: never."`
	OutlierLoss     float64       `yaml:"outlier_loss" min:"0" max:"1000" doc:"Robust z-score (median and MAD, among the corrections or among the approved answers of a night) of the champion's loss above which an\nexample waits until somebody else says nearly the same, for instance 6. It takes a forward pass over the new examples. 0: off."`
	OutlierGradient float64       `yaml:"outlier_gradient" min:"0" max:"1000" doc:"The same for the norm of its gradient. It takes about as long as an epoch of training without rehearsal. 0: off."`
}

// Memory bounds the rehearsal memory of a track.
type Memory struct {
	Recent     int `yaml:"recent" min:"1" max:"1000000" doc:"Newest examples of a track that are remembered. Where a size is made smaller, what is too much goes with the next example."`
	PerStratum int `yaml:"per_stratum" min:"1" max:"1000000" doc:"Examples of each kind, such as corrections and approved answers, that are remembered besides: a sample of all that were ever learned."`
	Strata     int `yaml:"strata" min:"8" max:"100000" doc:"Most kinds. An example of one more is refused."`
	PerSubject int `yaml:"per_subject" min:"0" max:"100000000" doc:"Most examples of one person that are remembered, and that a night rehearses, however many nights the person took part in; which of\nthem is drawn by lot. All whose requests name no user are one person. 0: no cap."`
}

// Gate holds what a candidate must prove.
type Gate struct {
	gate.Thresholds

	Blocked []string `yaml:"blocked" doc:"Phrases that no answer may hold, in any case."`
}

// Defaults are the settings of a production track.
func Defaults() Settings {
	limits := gate.Defaults()
	return Settings{
		Schedule: "0 3 * * *", TimeZone: "Local", Deadline: 2 * time.Hour, Nice: 10, Governor: Governor{Target: 100 * time.Millisecond, Least: 0.1}, Forgetting: 0.1,
		Evidence: Evidence{
			Needs: limits.Needs, MaxExamples: 5000, PerSubject: 20, HeldOut: 0.2,
			NearDuplicates: 0.85, ClusterSubjects: 2, ClusterExamples: 3, PhraseExamples: 10, ConfirmWithin: 7 * 24 * time.Hour,
		},
		Memory: Memory{Recent: 512, PerStratum: 512, Strata: 64, PerSubject: 50},
		Train: Train{
			Rank: 8, Alpha: 16, Modules: []string{"mlp.c_fc", "mlp.c_proj"},
			Warmup: 0.05, Clip: 1, Epochs: 5, Learned: 0.98, MaxSteps: 1000, MaxTime: time.Hour, RowTokens: 512, BatchTokens: 2048,
			KLShare: 0.5, Teacher: TeacherChampion, RehearsalRatio: 4, Objective: selection.SFT,
			RehearsalPolicy: selection.Random, RehearsalUniform: 0.2, RehearsalReplacement: selection.Random, CorrectionWeight: 1, ApprovalWeight: 0.5, Seed: 1,
			Methods: method.Defaults(), Preferences: work.Preferences{Share: 1, Beta: 0.5, ChangedOnly: true}, Ratings: work.Ratings{Share: 1, Beta: 0.5},
		},
		Gate:    Gate{Thresholds: limits.Thresholds},
		Canary:  Canary{Step: 24 * time.Hour, People: 20, Patience: 7 * 24 * time.Hour, Error: 0.05},
		Initial: Initial{Initial: work.Initial{Rounds: 25, Steps: 60, Share: 1}},
	}
}

// Check implements config.Checker.
func (s Settings) Check(report func(key, format string, args ...any)) {
	zone, err := schedule.Zone(s.TimeZone)
	if err != nil {
		report("time_zone", "%v", err)
	}
	if s.Schedule != "" {
		if _, err := schedule.Parse(s.Schedule, zone); err != nil {
			report("schedule", "%v", err)
		}
	}
	if s.Initial.Track != "" && slices.Contains(s.Train.Modules, work.Auto) {
		report("initial.track", "want train.modules by name: tracks that begin with one adapter adapt the same ones")
	}
}

// Check implements config.Checker.
func (e Evidence) Check(report func(key, format string, args ...any)) {
	if near := e.NearDuplicates; near != 0 && near < selection.LeastNear {
		report("near_duplicates", "want 0, or %g to 1: examples that are less alike are not found", selection.LeastNear)
	}
}

// confirmation is what examples need that wait for other people to say the same.
func (e Evidence) confirmation() selection.Confirmation {
	return selection.Confirmation{Subjects: e.ClusterSubjects, Examples: e.ClusterExamples, Phrase: e.PhraseExamples, Within: e.ConfirmWithin}
}

// plan is the schedule, nil for none.
func (s *Settings) plan() (*schedule.Schedule, error) {
	if s.Schedule == "" {
		return nil, nil
	}
	zone, err := schedule.Zone(s.TimeZone)
	if err != nil {
		return nil, err
	}
	return schedule.Parse(s.Schedule, zone)
}

// limits are what the gate holds the candidate of a night to, which is the night-th that judges one against its champion.
func (s *Settings) limits(night int) gate.Limits {
	return gate.Limits{Thresholds: s.Gate.Thresholds, Needs: s.Evidence.Needs, Night: night, Seed: gate.Defaults().Seed}
}
