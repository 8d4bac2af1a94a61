package night

import (
	"slices"
	"time"

	"nightshift/internal/schedule"
	"nightshift/update/gate"
	"nightshift/update/runner"
	"nightshift/update/selection"
	"nightshift/update/train/method"
	"nightshift/update/work"
)

// Settings say when and how a track learns, and what a candidate must prove: the section update of the configuration. Start from Defaults.
// Deadline, nice, threads, memory limit and governor are those of the child process, for all tracks.
type Settings struct {
	Schedule    string          `yaml:"schedule" doc:"Schedule of nights in cron syntax: minute, hour, day of month, month, day of week. A time that a change of the clocks skips falls on the\nchange; one that occurs twice counts once. A time at which no updater runs is left out, and the next night takes what that one would have\nlearned from; a machine that was suspended has its night when it wakes. Updaters with one schedule share its nights. Empty: only on request."`
	TimeZone    string          `yaml:"time_zone" doc:"Time zone of the schedule: Local, UTC, or a name such as Europe/Berlin."`
	Deadline    time.Duration   `yaml:"deadline" min:"1m" max:"24h" doc:"Maximum duration of a night. One that takes longer is ended and counts as failed: nothing changes, and the next one tries the same data again."`
	Nice        int             `yaml:"nice" min:"0" max:"19" doc:"Niceness of the training process. 19 is the lowest priority."`
	Threads     int             `yaml:"threads" min:"0" max:"1024" doc:"Number of threads of one computation of the training process. A replay of a night uses as many as the night did. 0: as the key threads."`
	MemoryLimit int             `yaml:"memory_limit" min:"0" max:"16777216" doc:"Soft memory limit in MiB of the training process, near which it collects garbage more often (GOMEMLIMIT). The model's weights and the memory\nof the inference runtime come on top. 0: no limit."`
	Governor    runner.Governor `yaml:"governor" doc:"Throttling of the training process while servers are busy."`
	Anchors     string          `yaml:"anchors" doc:"File of anchor examples, which measure what is forgotten, one {messages, completion} a line. Empty: anchors.jsonl beside the model,\nor where it brings none, its own answers to questions, which nightshift anchors lists."`
	Probes      string          `yaml:"probes" doc:"File of probes, one {messages, completion} a line, which each night scores besides the held-out examples of earlier nights, to measure what\nis forgotten. They are never learned. Empty: none."`
	Forgetting  float64         `yaml:"forgetting" min:"0" max:"100" doc:"Maximum loss, in nats per token, of a champion against the best of its ancestors on the held-out examples of an ancestor's night, on the\nanchors or on the probes. Above it there is an alarm. 0: no alarm."`
	Evidence    Evidence        `yaml:"evidence" doc:"Evidence that a night needs and may use."`
	Memory      Memory          `yaml:"memory" doc:"Rehearsal memory: learned examples that later nights train on again."`
	Train       Train           `yaml:"train" doc:"Training of the candidate."`
	Gate        Gate            `yaml:"gate" doc:"Thresholds of the gate. A candidate that fails one is not activated."`
	Canary      Canary          `yaml:"canary" doc:"Canary release of a candidate that has passed the gate."`
	WarmStart   WarmStart       `yaml:"warm_start" doc:"Warm start of a track that has no champion yet."`
}

// Evidence bounds what a night learns from.
type Evidence struct {
	gate.Needs

	MaxExamples int           `yaml:"max_examples" min:"0" max:"100000000" doc:"Maximum number of new examples of one night, the newest. 0: no limit."`
	PerSubject  int           `yaml:"per_subject" min:"0" max:"100000000" doc:"Maximum number of new examples of one user in a night. All requests that name no user count as one user. Feedback of editors is not counted.\n0: no limit."`
	HeldOut     float64       `yaml:"held_out" min:"0.01" max:"0.9" doc:"Share of users whose feedback is held out: it measures the candidate and is not learned. Where these are too few for a gain to show, the\ncorrections of some users to questions that several users corrected are held out instead; what these users say of other questions is learned."`
	Rotation    time.Duration `yaml:"rotation" min:"0s" max:"87600h" doc:"Time for which the same users are held out, such as 720h; then others are. A user who was once learned from is never held out again, so\nwhere the same few users come for years, fewer and fewer are left to measure with. 0: they stay the same."`

	NearDuplicates  float64       `yaml:"near_duplicates" min:"0" max:"1" doc:"Minimum Jaccard index, 0.6 to 1, of the words of question and answer at which examples of one user are near duplicates, of which only the\nnewest counts. 0: only exact duplicates."`
	ClusterSubjects int           `yaml:"cluster_subjects" min:"1" max:"1000" doc:"Minimum number of distinct users who must say nearly the same, or use the same phrase, before a cluster of examples is learned. A correction\nof what the model's own examples or several users say needs one user more. What fewer say waits for others, in the quarantine that\nnightshift night show --explain lists. Where users correct the same to different things, twice as many must agree as disagree.\n1: nothing waits for others."`
	ClusterExamples int           `yaml:"cluster_examples" min:"0" max:"1000" doc:"Minimum number of near-identical examples that form a cluster. 1: every example is one, so that nothing is learned of one user alone.\n0: no clusters."`
	PhraseExamples  int           `yaml:"phrase_examples" min:"0" max:"100000" doc:"Minimum number of examples with the same word, or the same two or three words in a row, that need cluster_subjects users too, against a\ntrigger phrase planted by one user. 0: off."`
	ConfirmWithin   time.Duration `yaml:"confirm_within" min:"0s" max:"8760h" doc:"Maximum time that an example waits for confirmation by other users before it is given up. 0: no limit."`
	OutlierLoss     float64       `yaml:"outlier_loss" min:"0" max:"1000" doc:"Maximum robust z-score (median and MAD, among the corrections or among the approved answers of a night) of the champion's loss on a new\nexample, such as 6. An example above it waits for confirmation by another user. It takes a forward pass over the new examples. 0: off."`
	OutlierGradient float64       `yaml:"outlier_gradient" min:"0" max:"1000" doc:"Maximum robust z-score of the gradient norm of a new example, as outlier_loss for the loss. It takes about as long as an epoch of training\nwithout rehearsal. 0: off."`
}

// Memory bounds the rehearsal memory of a track.
type Memory struct {
	Recent     int `yaml:"recent" min:"1" max:"1000000" doc:"Number of newest examples of a track that are remembered. After a reduction of a size, the surplus goes with the next example."`
	PerStratum int `yaml:"per_stratum" min:"1" max:"1000000" doc:"Number of examples of each stratum, such as corrections and approved answers, that are remembered besides: a sample of all ever learned."`
	Strata     int `yaml:"strata" min:"8" max:"100000" doc:"Maximum number of strata. An example of a further one is refused."`
	PerSubject int `yaml:"per_subject" min:"0" max:"100000000" doc:"Maximum number of examples of one user that are remembered, and that a night rehearses, however many nights the user took part in. They are\ndrawn by lot. All requests that name no user count as one user. 0: no limit."`
}

// Gate holds what a candidate must prove.
type Gate struct {
	gate.Thresholds

	Blocked []string `yaml:"blocked" doc:"Phrases that no answer may contain, in upper or lower case."`
}

// Canary says how a candidate that passed the gate takes over from the champion.
type Canary struct {
	Shares   []float64     `yaml:"shares" min:"0.0001" max:"0.9999" doc:"Shares of the users who have the candidate first, rising, such as [0.05, 0.25]; then all have it. Users are chosen by a hash of user and\nversion and stay. A candidate that serves its users worse is rolled back: more complaints (ratings below 0, corrections) or slow answers than\nits share explains. While a canary runs there are no nights. Empty: all have it at once."`
	Step     time.Duration `yaml:"step" min:"1s" max:"8760h" doc:"Minimum duration of each share of a canary."`
	People   int           `yaml:"people" min:"1" max:"100000000" doc:"Minimum number of users whom the candidate answers at each share of a canary. A request that names no user counts as one."`
	Patience time.Duration `yaml:"patience" min:"1s" max:"8760h" doc:"Maximum duration of a share of a canary. Where the candidate has not answered enough users by then, the canary ends and the champion stays."`
	Error    float64       `yaml:"error" min:"0.0001" max:"0.5" doc:"Maximum probability that a candidate which is no worse is rolled back."`
}

// Defaults are the settings of a production track.
func Defaults() Settings {
	limits := gate.Defaults()
	return Settings{
		Schedule: "0 3 * * *", TimeZone: "Local", Deadline: 2 * time.Hour, Nice: 10, Governor: runner.Governor{Target: 100 * time.Millisecond, MinShare: 0.1}, Forgetting: 0.1,
		Evidence: Evidence{
			Needs: limits.Needs, MaxExamples: 5000, PerSubject: 20, HeldOut: 0.2,
			NearDuplicates: 0.85, ClusterSubjects: 2, ClusterExamples: 3, PhraseExamples: 10, ConfirmWithin: 7 * 24 * time.Hour,
		},
		Memory: Memory{Recent: 512, PerStratum: 512, Strata: 64, PerSubject: 50},
		Train: Train{
			Rank: 8, Alpha: 16, Modules: []string{feedForward},
			Warmup: 0.05, Clip: 1, Epochs: 5, Learned: 0.98, MaxSteps: 1000, MaxTime: time.Hour, RowTokens: 512, BatchTokens: 2048,
			KLShare: 0.5, Teacher: teacherChampion, RehearsalRatio: 4, Objective: selection.SFT,
			RehearsalPolicy: selection.Random, RehearsalUniform: 0.2, RehearsalReplacement: selection.Random, CorrectionWeight: 1, ApprovalWeight: 0.5, Phrasings: 3, Seed: 1,
			Methods: method.Defaults(), Preferences: work.Preferences{Share: 1, Beta: 0.5, ChangedOnly: true}, Ratings: work.Ratings{Share: 1, Beta: 0.5},
		},
		Gate:      Gate{Thresholds: limits.Thresholds},
		Canary:    Canary{Step: 24 * time.Hour, People: 20, Patience: 7 * 24 * time.Hour, Error: 0.05},
		WarmStart: WarmStart{WarmStart: work.WarmStart{Rounds: 25, Steps: 60, Share: 1}},
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
	if s.WarmStart.Track != "" && slices.Contains(s.Train.Modules, work.Auto) {
		report("warm_start.track", "want train.modules by name: tracks that begin with one adapter adapt the same ones")
	}
}

// Check implements config.Checker.
func (e Evidence) Check(report func(key, format string, args ...any)) {
	if near := e.NearDuplicates; near != 0 && near < selection.MinNear {
		report("near_duplicates", "want 0, or %g to 1: examples that are less alike are not found", selection.MinNear)
	}
}

// Check implements config.Checker.
func (c Canary) Check(report func(key, format string, args ...any)) {
	if !slices.IsSorted(c.Shares) || len(slices.Compact(slices.Clone(c.Shares))) < len(c.Shares) {
		report("shares", "want shares that rise, such as [0.05, 0.25]")
	}
	if c.Patience < c.Step {
		report("patience", "want at least update.canary.step, %s", c.Step)
	}
}

// Next is the share after another one, 1 after the last.
func (c Canary) Next(share float64) float64 {
	for _, s := range c.Shares {
		if s > share {
			return s
		}
	}
	return 1
}

// confirmation is what examples need that wait for other people to say the same.
func (e Evidence) confirmation() selection.Confirmation {
	return selection.Confirmation{Subjects: e.ClusterSubjects, Examples: e.ClusterExamples, Phrase: e.PhraseExamples, Within: e.ConfirmWithin}
}

// limits are what the gate holds the candidate of a night to, which is the night-th that judges one against its champion.
func (s *Settings) limits(night int) gate.Limits {
	return gate.Limits{Thresholds: s.Gate.Thresholds, Needs: s.Evidence.Needs, Night: night, Seed: gate.Defaults().Seed}
}
