package continual

// How long it takes. A run of a method through five tasks of 80 steps took 18 to 30 s of one core beside other work, half of
// it points of the curve and exams; through the stream it is about the same, with more exams. The model takes 1,500 steps of
// 1,400 tokens once, three minutes where nothing else runs. So on two cores
//
//	full    19 methods × 3 orders × 3 seeds, 31 runs to tune, and 16 methods × 3 × 3 on the stream: 346 runs, 1½ hours
//	quick   19 methods × 2 orders × 1 seed with half of the steps, nothing to tune: 38 runs, 5 minutes and the model

// Full is the whole benchmark.
func Full() Options {
	return Options{Budget: DefaultBudget(), Sizes: DefaultSizes(), Stream: DefaultStream(), Methods: Methods(), Tracks: []string{Tasks, Streaming}, Orders: 3, Seeds: 3, Workers: 2}
}

// Quick is for a first look: with settings that are not tuned, on two orders, which differ in what comes last.
func Quick() Options {
	opt := Full()
	opt.Tracks, opt.Orders, opt.Seeds = []string{Tasks}, 2, 1
	opt.Budget.Steps /= 2
	opt.Sizes.Exam, opt.Sizes.Quick = 2, 6
	for i := range opt.Methods {
		opt.Methods[i].Grid = nil
	}
	return opt
}
