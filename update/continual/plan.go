package continual

// Plan says how long a benchmark takes. The unit is what one core does: a phase of a task with 80 steps, its points on the
// curve and the exams after it.
//
//	full    17 methods × 3 orders × 3 seeds × 5 tasks and as much for the stream, of which some have no task boundaries
//	        30 settings to tune × 5 tasks
//	quick   17 methods × 1 order × 2 seeds × 5 tasks of half the steps, without tuning and without the stream
//
// The model takes 1,500 steps of 1,536 tokens more, once.

// Full is the whole benchmark.
func Full() Options {
	return Options{Budget: DefaultBudget(), Sizes: DefaultSizes(), Stream: DefaultStream(), Methods: Methods(), Tracks: []string{Tasks, Streaming}, Orders: 3, Seeds: 3, Workers: 2}
}

// Quick is for a first look: its intervals are of two seeds.
func Quick() Options {
	opt := Full()
	opt.Tracks, opt.Orders, opt.Seeds = []string{Tasks}, 1, 2
	opt.Budget.Steps /= 2
	opt.Sizes.Exam, opt.Sizes.Quick = 2, 6
	for i := range opt.Methods {
		opt.Methods[i].Grid = nil
	}
	return opt
}
