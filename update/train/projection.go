package train

// Projection is averaged gradient episodic memory, A-GEM (Chaudhry et al. 2019, arXiv:1812.00420): each step also takes the
// gradient of a batch of rehearsed sequences, and where the step would raise their loss, its gradient is projected onto the
// nearest one that does not, to first order. It costs a second gradient a step.
//
// The optimizer's own scaling comes after it: a step of Adam need not keep the sign of the product.
type Projection struct {
	Source Source // of rehearsed sequences, drawn by a random source of its own
	Micro  int    // microbatches of the rehearsal batch, each as large as those of Fit
}

// Project changes grads only if grads·reference < 0: it then subtracts (grads·reference / reference·reference)·reference,
// which makes the product zero. It reports whether it did.
func Project(grads, reference []float32) bool {
	var product, square float64
	for i, r := range reference {
		product += float64(grads[i]) * float64(r)
		square += float64(r) * float64(r)
	}
	if product >= 0 || square == 0 {
		return false
	}
	share := product / square
	for i, r := range reference {
		grads[i] = float32(float64(grads[i]) - share*float64(r))
	}
	return true
}
