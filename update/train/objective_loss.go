package train

import "math"

// Likelihood is how likely a completion is to two models: log p(completion | prompt), summed over its tokens, in nats.
type Likelihood struct {
	Policy    float64 // to the model that is trained
	Reference float64 // to the champion, which stays as it is
}

// Reward is log(policy/reference): what the model has come to think of the completion since the champion, in nats.
func (l Likelihood) Reward() float64 { return l.Policy - l.Reference }

// The losses below are of one example and in no unit. Each comes with the coefficients of its completions' −log p: the
// gradient of the loss is Σ coefficient·∇(−log p), exactly, because a coefficient is −∂loss/∂Policy. Descent makes a
// completion with a positive coefficient likelier and one with a negative coefficient less likely.

// DPO is the loss of direct preference optimization (Rafailov et al. 2023, arXiv:2305.18290, equation 7):
//
//	−(1−ε)·log σ(x) − ε·log σ(−x),  x = β·(reward of chosen − reward of rejected)
//
// With smoothing ε > 0 it expects that share of the preferences to be the wrong way round (the conservative form of the
// paper's authors, as TRL has it).
func DPO(chosen, rejected Likelihood, beta, smoothing float64) (loss, chosenCoefficient, rejectedCoefficient float64) {
	x := beta * (chosen.Reward() - rejected.Reward())
	loss = -(1-smoothing)*logSigmoid(x) - smoothing*logSigmoid(-x)
	c := beta * ((1-smoothing)*sigmoid(-x) - smoothing*sigmoid(x))
	return loss, c, -c
}

// KTO is the loss of Kahneman-Tversky optimization for one rated completion (Ethayarajh et al. 2024, arXiv:2402.01306,
// equation 8, as a loss: λ − v):
//
//	λ_D·(1 − σ(β·(reward − baseline)))  for a good one
//	λ_U·(1 − σ(β·(baseline − reward)))  for a bad one
//
// weight is λ_D or λ_U. The baseline is Baseline's, a constant: nothing is differentiated through it.
func KTO(l Likelihood, good bool, baseline, beta, weight float64) (loss, coefficient float64) {
	x := beta * (l.Reward() - baseline)
	slope := weight * beta * sigmoid(x) * sigmoid(-x)
	if good {
		return weight * sigmoid(-x), slope
	}
	return weight * sigmoid(x), -slope
}

// Baseline is KTO's estimate of KL(policy ‖ reference) in nats: the mean reward of completions that answer other prompts
// than those they are paired with, not below 0, and 0 where there are none.
func Baseline(mismatched []Likelihood) float64 {
	if len(mismatched) == 0 {
		return 0
	}
	sum := 0.0
	for _, l := range mismatched {
		sum += l.Reward()
	}
	return max(0, sum/float64(len(mismatched)))
}

// APOZero is the loss of anchored preference optimization for one rated completion (D'Oosterlinck et al. 2024,
// arXiv:2408.06266, APO-zero, whose two terms are taken apart as in TRL's "apo_zero_unpaired"):
//
//	1 − σ(β·reward)  for a good one,  σ(β·reward)  for a bad one
//
// It is KTO with a baseline of 0: good completions become likelier than they are to the champion, bad ones less likely.
func APOZero(l Likelihood, good bool, beta, weight float64) (loss, coefficient float64) {
	return KTO(l, good, 0, beta, weight)
}

// sigmoid is 1/(1+e^−x) without overflow, and exact to rounding where it is tiny.
func sigmoid(x float64) float64 {
	if x >= 0 {
		return 1 / (1 + math.Exp(-x))
	}
	e := math.Exp(x)
	return e / (1 + e)
}

// logSigmoid is log σ(x) without overflow or cancellation.
func logSigmoid(x float64) float64 {
	return min(x, 0) - math.Log1p(math.Exp(-math.Abs(x)))
}
