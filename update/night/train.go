package night

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"nightshift/models/arch"
	"nightshift/update/train"
	"nightshift/update/train/method"
	"nightshift/update/work"
)

// Train says how a night learns.
type Train struct {
	Rank                 int             `yaml:"rank" min:"1" max:"256" doc:"Rank of the adapter (LoRA)."`
	Alpha                float64         `yaml:"alpha" min:"0.001" max:"100000" doc:"LoRA alpha: an adapter adds alpha/rank times its product."`
	RSLoRA               bool            `yaml:"rslora" doc:"Whether to scale an adapter by alpha/sqrt(rank) in place of alpha/rank (rsLoRA)."`
	Modules              []string        `yaml:"modules" doc:"Linear modules of each layer that are adapted, by the model's names for them; a name that it does not have is refused with a list of those that it\nhas. mlp: those of the feed-forward part. [auto]: those of all layers with the largest squared gradients of the new examples per parameter;\na track's first night chooses, later ones take over what their champion adapts."`
	ModuleBudget         int             `yaml:"module_budget" min:"0" max:"2000000000" doc:"Maximum number of parameters of the modules chosen by auto. 0: as many as those of mlp would have."`
	Layers               []string        `yaml:"layers" doc:"Layers that are adapted, counted from 0: numbers and ranges, such as [\"0\", \"8-11\"]. Empty: all."`
	LearningRate         float64         `yaml:"learning_rate" min:"0" max:"1" doc:"Peak learning rate of AdamW. 0: the model's, from learning.json beside its weights, or by its width where it has none, as nightshift import\nprints it."`
	Warmup               float64         `yaml:"warmup" min:"0" max:"1" doc:"Length of the warm-up, in which the learning rate rises to its peak, as a share of the steps that epochs take; at least 5 steps."`
	Clip                 float64         `yaml:"clip" min:"0" max:"1000000" doc:"Maximum norm of the gradient; larger ones are clipped. 0: no clipping."`
	WeightDecay          float64         `yaml:"weight_decay" min:"0" max:"1" doc:"Weight decay of AdamW."`
	Epochs               int             `yaml:"epochs" min:"1" max:"1000" doc:"Minimum number of passes over the new examples. Training goes on after them until the share learned is reached."`
	Learned              float64         `yaml:"learned" min:"0" max:"1" doc:"Minimum share of the new corrections that the candidate must find likelier than the answers that they correct before training ends. It is\nmeasured every 5 steps at first and later less often, on up to 64 corrections; as many steps follow as came before, at least 40, with a\nfalling learning rate. 0: training ends after epochs."`
	MaxSteps             int             `yaml:"max_steps" min:"1" max:"10000000" doc:"Maximum number of optimizer steps of a night, whatever was learned."`
	MaxTime              time.Duration   `yaml:"max_time" min:"0s" max:"24h" doc:"Maximum training time, whatever was learned. After it as many steps follow as came before, with a falling learning rate. 0: the deadline alone."`
	RowTokens            int             `yaml:"row_tokens" min:"16" max:"100000" doc:"Maximum number of tokens of a training row: longer examples lose the beginning of their prompt. The model's context bounds it too."`
	BatchTokens          int             `yaml:"batch_tokens" min:"16" max:"10000000" doc:"Number of tokens of one optimizer step, new and rehearsed together."`
	KLShare              float64         `yaml:"kl_share" min:"0" max:"1" doc:"Share of the teacher's distribution in the target of a rehearsed token, which keeps the candidate near the champion (distillation): its most\nlikely tokens each, and all others together. 0: off."`
	KLShareNew           float64         `yaml:"kl_share_new" min:"0" max:"1" doc:"Share of the teacher's distribution in the target of a new token (LwF), such as 0.1: the candidate then learns less of a correction at a time.\n0: off."`
	Teacher              string          `yaml:"teacher" oneof:"champion,stored" doc:"Teacher of what users said, for kl_share; the model's own examples are taught by the track's fixed reference. champion: the version that a\nnight starts from. stored: the version that learned the example, whose distribution is stored with it in the memory (DER), so that many nights\ndo not drift in small steps; examples without one are taught by the champion. stored takes some hundred bytes of the memory for each token,\nand a forward pass over the new examples."`
	RehearsalRatio       float64         `yaml:"rehearsal_ratio" min:"0" max:"100" doc:"Number of rehearsed examples for each new one in a batch. 0: no rehearsal."`
	Objective            string          `yaml:"objective" oneof:"sft,dpo,kto,apo" doc:"Training objective. sft: imitate corrections and approved answers. dpo: besides, prefer a correction to the answer that it corrects. kto, apo:\nbesides, learn from ratings, good or bad. For all of them, ratings of users who rate by numbers count from the user's own mean: a rating above\nit approves an answer. What was rated bad is never imitated. All but sft hold a second graph in memory, and take two to three times as long\nfor the same epochs."`
	RehearsalPolicy      string          `yaml:"rehearsal_policy" oneof:"random,priority,feedback,diversity" doc:"Policy by which rehearsed examples are drawn from the memory and the model's own examples. random: all with equal probability. priority: by\nthe champion's loss, at most its 95th percentile, times the weight of the feedback. feedback: by that weight alone, correction_weight or\napproval_weight. diversity: prompts that lie far apart by the model's token embeddings. priority takes a forward pass over all candidates."`
	RehearsalUniform     float64         `yaml:"rehearsal_uniform" min:"0" max:"1" doc:"Share of the uniform distribution that is mixed into the probabilities of priority and feedback, so that easy examples and those of low\nweight are rehearsed at times too."`
	RehearsalReplacement string          `yaml:"rehearsal_replacement" oneof:"random,priority,feedback" doc:"Policy by which a full memory replaces examples. random: every example that it was ever offered stays with equal probability. priority: by loss\nand weight, as they were when the example was learned. feedback: by weight alone. A change holds for new examples: the old ones keep their\nprobabilities."`
	CorrectionWeight     float64         `yaml:"correction_weight" min:"0" max:"100" doc:"Weight of an example from a correction. 0: none are learned."`
	ApprovalWeight       float64         `yaml:"approval_weight" min:"0" max:"100" doc:"Weight of an example from an approved answer: one with a thumb up, or a number that is positive and, where three or more ratings of a user\nshow a scale, above that user's mean. 0: none are learned."`
	Phrasings            int             `yaml:"phrasings" min:"0" max:"100" doc:"Number of other phrasings of each question that was taught from a file (nightshift teach): greetings and indirect questions for English, case\nand punctuation for other languages. They are made when a night trains and are kept nowhere. What users said is learned as they said it.\n0: none."`
	Seed                 uint64          `yaml:"seed" doc:"Seed of the random numbers. The same selection, seed, library and threads give the same adapter."`
	Methods              method.Settings `yaml:"methods" doc:"Methods against forgetting, besides rehearsal and kl_share. All are off by default, and most can be combined."`

	Preferences work.Preferences `yaml:"preferences" doc:"Learning from preference pairs, for dpo, kto and apo, besides imitation."`
	Ratings     work.Ratings     `yaml:"ratings" doc:"Learning from ratings, for kto and apo."`
}

// Values of Train.Teacher.
const (
	teacherChampion = "champion"
	teacherStored   = "stored"
)

// layerNumbers are the layers that are adapted, ascending, nil for all.
func (t Train) layerNumbers() ([]int, error) {
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

// Check implements config.Checker.
func (t Train) Check(report func(key, format string, args ...any)) {
	want := func(ok bool, key, format string, args ...any) {
		if !ok {
			report(key, format, args...)
		}
	}
	want(len(t.Modules) > 0, "modules", "want at least one")
	want(len(t.Modules) == 1 || !slices.Contains(t.Modules, work.Auto), "modules", "want auto alone, or modules by name")
	_, err := t.layerNumbers()
	want(err == nil, "layers", "%v", err)
	want(t.Teacher != teacherStored || t.KLShare > 0, "teacher", "want champion, or kl_share above 0: without it nobody teaches")
	m := t.Methods
	want(m.Orthogonal == 0 || m.OrthogonalRank >= t.Rank, "methods.orthogonal_rank", "want at least train.rank, %d, not %d", t.Rank, m.OrthogonalRank)
}

// feedForward stands in Train.Modules for the modules of a model's feed-forward part.
const feedForward = "mlp"

// fits reports layers and modules that a model does not have.
func (t Train) fits(shape arch.Shape, report func(key, format string, args ...any)) {
	if layers, _ := t.layerNumbers(); len(layers) > 0 && slices.Max(layers) >= shape.Layers {
		report("layers", "the model's layers are 0-%d, not %d", shape.Layers-1, slices.Max(layers))
	}
	for i, m := range t.Modules {
		if known := append(shape.Modules(), feedForward, work.Auto); !slices.Contains(known, m) {
			report(fmt.Sprintf("modules[%d]", i), "want one of %s, not %q", strings.Join(known, ", "), m)
		}
	}
	if list := modules(t.Modules, shape); len(slices.Compact(slices.Sorted(slices.Values(list)))) < len(list) {
		report("modules", "want each module once, not %s, which stand for %s", strings.Join(t.Modules, ", "), strings.Join(list, ", "))
	}
}

// modules are the names that a model has for those of settings.
func modules(names []string, shape arch.Shape) (list []string) {
	for _, name := range names {
		if name == feedForward {
			list = append(list, shape.FeedForward()...)
			continue
		}
		list = append(list, name)
	}
	return list
}

// microTokens bounds a microbatch, and with it the memory of training.
const microTokens = 1024

// train is what settings ask of the work of a night, on the model of the configuration.
func (c *Config) train(s Settings) work.Train {
	t := s.Train
	columns := min(t.RowTokens, c.Shape.Context)
	rows := max(1, min(t.BatchTokens, microTokens)/columns)
	layers, _ := t.layerNumbers() // they are checked
	return work.Train{
		Rank: t.Rank, Alpha: t.Alpha, RSLoRA: t.RSLoRA, Modules: modules(t.Modules, c.Shape), Layers: layers, Budget: t.ModuleBudget,
		Rate: cmp.Or(t.LearningRate, c.LearningRate), Epochs: float64(t.Epochs), Learned: t.Learned, MaxSteps: t.MaxSteps, MaxTime: t.MaxTime,
		Warmup: t.Warmup, Decay: t.WeightDecay, Clip: t.Clip, Rows: rows, Columns: columns, Micro: max(1, t.BatchTokens/(rows*columns)),
		Rehearsal: t.RehearsalRatio, KL: t.KLShare, Teacher: train.TeacherTokens, KLNew: t.KLShareNew, StoredTeachers: t.Teacher == teacherStored, Methods: t.Methods,
		Objective: t.Objective, Preferences: t.Preferences, Ratings: t.Ratings, Phrasings: t.Phrasings,
	}
}
