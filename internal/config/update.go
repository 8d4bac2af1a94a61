package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Update configures nights.
type Update struct {
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

// Initial says which initial adapter a track gives to and takes from, and how that is made.
type Initial struct {
	Track  string  `yaml:"track" doc:"Name of a track, such as initial, whose versions are initial adapters: a night of it makes one of what all tracks remember that name it\nhere, and the first night of each of these begins with the active one. What one tenant's adapter has seen of others may show: give tenants\nthat must not learn from each other tracks of their own here. Empty: every track begins at zero."`
	Rounds int     `yaml:"rounds" min:"1" max:"100000" doc:"Rounds in which it is made; each learns two tracks and goes part of the way towards what they reach (Reptile).\nIt takes 2·rounds·steps optimizer steps, and at most 12·steps more to measure it, and has a night's deadline."`
	Steps  int     `yaml:"steps" min:"1" max:"100000" doc:"Steps in which a round learns a track. That tracks which begin with it know more after as many steps, of answers that it has not\nseen, is tried before it is activated."`
	Share  float64 `yaml:"share" min:"0.001" max:"1" doc:"Part of the way that the first round goes; later ones go less."`
}

// Governor slows training down while servers are busy.
type Governor struct {
	Target time.Duration `yaml:"target" min:"0s" max:"1m" doc:"Inter-token latency, 99th percentile, that servers shall keep. Training computes for a smaller part of the time\nwhile one of them comes near it or has requests waiting, and all of the time while none has anything to do. 0: it never gives way."`
	Least  float64       `yaml:"least" min:"0.01" max:"1" doc:"Part of the time that training has in any case. Half of the deadline after its start it has all of it, so that nights end."`
}

// Evidence bounds what a night learns from.
type Evidence struct {
	MinNewExamples int           `yaml:"min_new_examples" min:"1" max:"100000000" doc:"A night with fewer new examples, learned or held out, does not train. What editors say is not among them: one correction by an editor is enough for a\nnight, and nightshift night plan says what the next one waits for."`
	LargestShare   float64       `yaml:"largest_share" min:"0" max:"1" doc:"Most of these examples that may come from one person, as a share."`
	MinSubjects    int           `yaml:"min_subjects" min:"1" max:"100000000" doc:"Nor one whose examples come from fewer people."`
	Quarantine     time.Duration `yaml:"quarantine" min:"0s" max:"8760h" doc:"Feedback must be this old, so that people can take it back. That of editors is used at once."`
	MaxExamples    int           `yaml:"max_examples" min:"0" max:"100000000" doc:"Most new examples of one night, the newest. 0: no bound."`
	PerSubject     int           `yaml:"per_subject" min:"0" max:"100000000" doc:"Most new examples of one person in a night. All whose requests name no user are one person. What editors say is not counted. 0: no cap."`
	HeldOut        float64       `yaml:"held_out" min:"0.01" max:"0.9" doc:"Share of people whose feedback measures and is not learned. Where they are too few for a gain to show, what some people say of a question that several\ncorrected measures in their place; what these people say of other questions is learned."`
	Rotation       time.Duration `yaml:"rotation" min:"0s" max:"87600h" doc:"How long the same people are held out, such as 720h; then it is the turn of others. Who was once learned from is never held\nout again, so where the same few people come for years fewer and fewer are left to measure with. 0: they stay the same."`

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

// Train holds the training parameters.
type Train struct {
	Rank                 int           `yaml:"rank" min:"1" max:"256" doc:"Rank of the adapter (LoRA)."`
	Alpha                float64       `yaml:"alpha" min:"0.001" max:"100000" doc:"Scale: an adapter adds alpha/rank times its product."`
	RSLoRA               bool          `yaml:"rslora" doc:"Scale by alpha/sqrt(rank) instead."`
	Modules              []string      `yaml:"modules" doc:"Linears of a layer that are adapted, by the model's names for them; a name that it does not have is refused with a list of\nthose that it has. mlp: those of the feed-forward part. [auto]: those of all layers in which most of the new examples' squared gradients lie,\nfor each parameter; a track's first night chooses, later ones take over what their champion adapts."`
	ModuleBudget         int           `yaml:"module_budget" min:"0" max:"2000000000" doc:"Parameters that linears chosen by auto have at most. 0: as many as those of mlp would have."`
	Layers               []string      `yaml:"layers" doc:"Layers that are adapted, counted from 0: numbers and ranges, such as [\"0\", \"8-11\"]. Empty: all."`
	LearningRate         float64       `yaml:"learning_rate" min:"0" max:"1" doc:"Peak learning rate of AdamW. 0: the model's, from learning.json beside its weights, or by its width where it has none, as nightshift import prints it."`
	Warmup               float64       `yaml:"warmup" min:"0" max:"1" doc:"Steps in which the learning rate rises to its peak, as a share of the steps that epochs take, and at least 5 steps."`
	Clip                 float64       `yaml:"clip" min:"0" max:"1000000" doc:"Largest norm of the gradient. 0: none."`
	WeightDecay          float64       `yaml:"weight_decay" min:"0" max:"1" doc:"Of AdamW."`
	Epochs               int           `yaml:"epochs" min:"1" max:"1000" doc:"Minimum number of passes over the new examples. Training goes on after them until it has learned."`
	Learned              float64       `yaml:"learned" min:"0" max:"1" doc:"Share of the new corrections which the candidate must find likelier than the answers that they correct before training ends. It is measured\nevery 5 steps at first and later less often, on up to 64 corrections; as many steps follow as came before, 40 at least, with a falling learning rate.\n0: training ends after epochs."`
	MaxSteps             int           `yaml:"max_steps" min:"1" max:"10000000" doc:"Maximum number of optimizer steps of a night, whatever was learned."`
	MaxTime              time.Duration `yaml:"max_time" min:"0s" max:"24h" doc:"Time after which training ends whatever was learned: as many steps follow with a falling learning rate. 0: the deadline alone."`
	RowTokens            int           `yaml:"row_tokens" min:"16" max:"100000" doc:"Tokens of a row: longer examples lose the beginning of their prompt. The model's context bounds it too."`
	BatchTokens          int           `yaml:"batch_tokens" min:"16" max:"10000000" doc:"Tokens of one step, new and rehearsal together."`
	KLShare              float64       `yaml:"kl_share" min:"0" max:"1" doc:"Share of the champion's own distribution in the target of a rehearsed token, which keeps the candidate near the champion:\nof its likeliest tokens, and of all others together. 0: off."`
	KLShareNew           float64       `yaml:"kl_share_new" min:"0" max:"1" doc:"The same share in the target of a new token (LwF), such as 0.1: the candidate then learns less of a correction at a time. 0: off."`
	Teacher              string        `yaml:"teacher" oneof:"champion,stored" doc:"Whose distribution kl_share means, of what people said; what the model came with is taught by the track's fixed reference. champion: that of the version that a night starts from. stored: that of the version which learned the\nexample, stored with it in the memory (DER), so that many nights do not wander off in small steps; examples that were learned\nwithout, the champion teaches. It takes some hundred bytes of the memory for each token, and a forward pass over the new examples."`
	RehearsalRatio       float64       `yaml:"rehearsal_ratio" min:"0" max:"100" doc:"Rehearsed examples for each new one in a batch. 0: no rehearsal."`
	Objective            string        `yaml:"objective" oneof:"sft,dpo,kto,apo" doc:"What is learned from. sft: corrections and approved answers, by imitation. dpo: corrections besides as better than the answer that was\ncorrected. kto, apo: the same, and ratings, good or bad. For all of them, ratings of people who rate by numbers count from their own\nmean: what is above it approves an answer. What was rated bad is never imitated. All but sft hold a second graph in memory, and take two to\nthree times as long for the same epochs."`
	RehearsalPolicy      string        `yaml:"rehearsal_policy" oneof:"random,priority,feedback,diversity" doc:"What is rehearsed of what is remembered and of the model's own examples. random: all are as likely. priority: by the champion's loss, at most\nits 95th percentile, times the weight of the feedback. feedback: by that weight alone, correction_weight or approval_weight. diversity:\nprompts that lie far apart by the model's token embeddings. Priority takes a forward pass over all that could be rehearsed."`
	RehearsalUniform     float64       `yaml:"rehearsal_uniform" min:"0" max:"1" doc:"Share of equal chances that is mixed into a choice by priority or feedback, so that what is easy or weighs little is rehearsed at times too."`
	RehearsalReplacement string        `yaml:"rehearsal_replacement" oneof:"random,priority,feedback" doc:"What the memory keeps when it is full. random: every example that it was ever offered is as likely. priority: by loss and weight, as they were\nwhen the example was learned. feedback: by weight alone. Changing it holds for new examples: the old ones keep their chances."`
	CorrectionWeight     float64       `yaml:"correction_weight" min:"0" max:"100" doc:"Weight of an example from an edited answer. 0: none are learned."`
	ApprovalWeight       float64       `yaml:"approval_weight" min:"0" max:"100" doc:"Weight of an example from an approved answer: one with a thumb up, or a number that is positive and, where three or more of a person's\nratings show a scale, above that person's mean. 0: none are learned."`
	Seed                 uint64        `yaml:"seed" doc:"The same selection, seed, library and threads give the same adapter."`
	Methods              Methods       `yaml:"methods" doc:"Against forgetting, besides rehearsal and kl_share. All are off by default, and any can be joined."`

	Preferences Preferences `yaml:"preferences" doc:"How dpo, kto and apo learn from corrections beside imitating them."`
	Ratings     Ratings     `yaml:"ratings" doc:"How kto and apo learn from ratings."`
}

// Preferences says how pairs are learned.
type Preferences struct {
	Share       float64 `yaml:"share" min:"0.000001" max:"1000" doc:"Factor of their loss beside that of what is imitated. Where corrections weigh less than all that is imitated, it is less by as much."`
	Beta        float64 `yaml:"beta" min:"0.000001" max:"1000" doc:"How strongly the candidate is held to the champion (DPO): the pull ends when the correction has gained a few times 1/beta nats on the answer."`
	Smoothing   float64 `yaml:"smoothing" min:"0" max:"0.49" doc:"Share of the corrections that are expected to be worse than the answer. Above 0 no single one is believed without bounds."`
	ChangedOnly bool    `yaml:"changed_only" doc:"Leave out the words that both begin with. It changes nothing but the work."`
}

// Ratings says how rated answers are learned.
type Ratings struct {
	Share       float64 `yaml:"share" min:"0.000001" max:"1000" doc:"Factor of their loss, as that of preferences."`
	Beta        float64 `yaml:"beta" min:"0.000001" max:"1000" doc:"How strongly the candidate is held to the champion (KTO, APO): the pull ends when an answer has gained or lost a few times 1/beta nats."`
	Desirable   float64 `yaml:"desirable" min:"0" max:"1000" doc:"Weight of good answers. Where both weights are 0, all good and all bad ones together count alike, as far as one weighs up to 4 times the other."`
	Undesirable float64 `yaml:"undesirable" min:"0" max:"1000" doc:"Weight of bad answers."`
}

// LayerNumbers are the layers that are adapted, ascending, nil for all.
func (t Train) LayerNumbers() ([]int, error) {
	var list []int
	for _, text := range t.Layers {
		first, last, isRange := strings.Cut(text, "-")
		from, err := strconv.Atoi(first)
		to, rangeErr := from, error(nil)
		if isRange {
			to, rangeErr = strconv.Atoi(last)
		}
		if err != nil || rangeErr != nil || from < 0 || to < from || to > 1000 {
			return nil, fmt.Errorf("want layers from 0 such as 3, or ranges such as 8-11, not %q", text)
		}
		for l := from; l <= to; l++ {
			if slices.Contains(list, l) {
				return nil, fmt.Errorf("layer %d is named twice", l)
			}
			list = append(list, l)
		}
	}
	slices.Sort(list)
	return list, nil
}

// Methods holds the strengths of the methods against forgetting.
type Methods struct {
	Anchor      float64 `yaml:"anchor" min:"0" max:"1000000" doc:"Pull back to the champion's parameters (L2-SP), in nats per token for each half of a squared distance. 0: off."`
	EWC         float64 `yaml:"ewc" min:"0" max:"1000000" doc:"The same pull, distributed by importance (EWC): what the champion's predictions on rehearsed examples depend on is held hardest.\nThe mean importance is 1. 0: off."`
	EWCOn       string  `yaml:"ewc_on" oneof:"products,factors" doc:"What ewc holds. products: what the adapter adds to its weights; takes 8 bytes for each of their elements while importances are\nmeasured and 4 afterwards. factors: the adapter's own matrices; takes little."`
	EWCExamples int     `yaml:"ewc_examples" min:"0" max:"100000000" doc:"Most examples that importances are measured on, one forward and backward pass each. 0: all."`
	EWCKeep     float64 `yaml:"ewc_keep" min:"0" max:"1" doc:"Above 0, importances are measured on the new examples after each night and carried on with the version, and this share of earlier\nones is kept each time (online EWC); only on factors. 0: they are measured on rehearsed examples before each night."`
	SI          float64 `yaml:"si" min:"0" max:"1000000" doc:"Pull back to the champion's parameters by how much moving each one lowered the loss in earlier nights (synaptic intelligence). Its\nimportances are carried on with the version. 0: off."`
	SIDamping   float64 `yaml:"si_damping" min:"1e-12" max:"1000000" doc:"For si: of the size of a squared move in one night that counts."`
	Sparsity    float64 `yaml:"sparsity" min:"0" max:"1000000" doc:"Pull back by the absolute distance (L1): parameters with little reason to change keep exactly the champion's value. 0: off."`
	Project     bool    `yaml:"project" doc:"Rehearsed examples do not fill part of each batch, they bend it: a step that would raise their loss is projected (A-GEM)."`
	RoundSteps  int     `yaml:"round_steps" min:"0" max:"1000000" doc:"Steps of a round that takes fresh and rehearsed examples in turn; after each, only round_share of its way is kept (MER). 0: off."`
	RoundShare  float64 `yaml:"round_share" min:"0.001" max:"1" doc:"For round_steps."`
	Average     float64 `yaml:"average" min:"0" max:"0.99999" doc:"The candidate is the moving average of all steps' parameters with this decay, begun at the champion, such as 0.95. 0: the last step's."`
	Slow        float64 `yaml:"slow" min:"0" max:"0.99" doc:"Two learners: a fast one goes on from night to night, and the candidate is a slow one, this share of the champion and the rest of the fast\none, of what they add to the weights, at the champion's rank. Such as 0.5. 0: one learner."`

	Orthogonal     float64 `yaml:"orthogonal" min:"0" max:"1000000" doc:"The champion's factors stay as they are, and a night learns a block of rank train.rank beside them that reads other directions than they\ndo (O-LoRA): strength of the penalty on what both read, such as 2.5. Not with slow, si and ewc_keep. 0: off."`
	OrthogonalRank int     `yaml:"orthogonal_rank" min:"1" max:"1024" doc:"Most of the candidate's rank with orthogonal, at most engine.max_rank: a wider one is replaced by its best approximation."`
}

// Gate holds the thresholds.
type Gate struct {
	SignTest           float64  `yaml:"sign_test" min:"0" max:"1" doc:"Largest p of the sign test of the gain on held-out feedback, over all nights that try to replace one champion: of the k-th\nof them it may be 1/(k(k+1)) of this."`
	RetentionChampion  float64  `yaml:"retention_champion" min:"0" max:"10" doc:"Most loss on any anchor set against the champion: upper bound, in nats per token."`
	RetentionReference float64  `yaml:"retention_reference" min:"0" max:"10" doc:"The same against the track's fixed reference."`
	Drift              float64  `yaml:"drift" min:"0" max:"100" doc:"Most mean divergence from the champion on rehearsed examples, in nats per token. A candidate that is further away keeps three\nquarters of what it learned, a half, or a quarter, before it fails. 0: it is neither measured nor judged."`
	Taught             float64  `yaml:"taught" min:"0" max:"1" doc:"Least share of the corrections that a candidate learned from which it must find likelier than the answers that they correct: one whose\ntraining came to nothing is refused. 0: not judged, as a slow learner needs it that takes several nights to follow."`
	Repetition         float64  `yaml:"repetition" min:"0" max:"1" doc:"Most growth of the share of answers that repeat themselves."`
	Length             float64  `yaml:"length" min:"0" max:"10" doc:"Most change of the mean length of answers, as a share."`
	EndOfText          float64  `yaml:"end_of_text" min:"0" max:"1" doc:"Most fall of the share of answers that end by themselves."`
	Blocked            []string `yaml:"blocked" doc:"Phrases that no answer may hold, in any case."`
	Bootstrap          int      `yaml:"bootstrap" min:"100" max:"1000000" doc:"Resamples of the bootstrap."`
}

// Canary says how a candidate takes over from the champion.
type Canary struct {
	Shares   []float64     `yaml:"shares" min:"0.0001" max:"0.9999" doc:"Shares of the people who have the candidate first, rising, such as [0.05, 0.25]; then all have it. People are chosen by a hash of\nuser and version and stay. Whom it serves worse ends it: more complaints (ratings below 0, corrections) or slow answers than\nits share explains. While it runs there are no nights. Empty: all have it at once."`
	Step     time.Duration `yaml:"step" min:"1s" max:"8760h" doc:"Shortest time of a share."`
	People   int           `yaml:"people" min:"1" max:"100000000" doc:"Fewest people whom the candidate answers at a share. A request that names no user counts as one."`
	Patience time.Duration `yaml:"patience" min:"1s" max:"8760h" doc:"A share that has not had as many people by then ends the trial, and the champion stays."`
	Error    float64       `yaml:"error" min:"0.0001" max:"0.5" doc:"Largest probability that a candidate which is no worse is rolled back."`
}
