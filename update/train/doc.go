// Package train computes: it packs examples into batches, runs the training and scoring graphs, and moves flat
// parameter vectors with optimizers, schedules and regularizers that are small pure functions.
//
// Fit is the loop. What is learned besides examples to imitate, and what keeps old knowledge meanwhile, is switched on in its
// Options, and each can be joined with each; off is the zero value and costs nothing:
//
//	Objective   Objective   what people said of answers: DPO (Rafailov et al. 2023, arXiv:2305.18290) on preferences, KTO
//	                        (Ethayarajh et al. 2024, arXiv:2402.01306) or APO-zero (D'Oosterlinck et al. 2024,
//	                        arXiv:2408.06266) on ratings; beside a source of what is imitated, or alone
//	Penalties   Quadratic   L2-SP (Li et al. 2018, arXiv:1802.01483), EWC (Kirkpatrick et al. 2017, arXiv:1612.00796), online
//	                        EWC (Schwarz et al. 2018, arXiv:1805.06370), SI's surrogate loss
//	            ProductEWC  EWC on scale·A·B in place of A and B (Zheng et al. 2026, arXiv:2602.17559)
//	            Orthogonal  O-LoRA (Wang et al. 2023, arXiv:2310.14152)
//	Projection              A-GEM (Chaudhry et al. 2019, arXiv:1812.00420)
//	Rounds                  MER's meta-step (Riemer et al. 2019, arXiv:1810.11910), Reptile's within a night
//	Sparse      L1          the proximal operator of an L1 norm
//	Observers   SI          synaptic intelligence (Zenke et al. 2017, arXiv:1703.04200)
//	            Average     a slow learner beside the fast one (Hazard et al. 2025, arXiv:2511.22367)
//
// Outside the loop are Fisher, which estimates importances after training, Consolidate and Normalize, which carry them on, and
// Reptile, the outer step over tracks (Nichol et al. 2018, arXiv:1803.02999). Adding up what adapters have learned is not done on
// their vectors, where it would be wrong, but by adapter.Merge.
//
// Invariants. The same examples, options, seed, library build and thread count give the same parameters bit for bit,
// whatever methods are on. Graphs are never changed by a method: what a method needs it does to parameters, gradients, targets or
// weights.
//
// It selects no examples, judges no result and publishes nothing.
package train
