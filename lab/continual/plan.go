package continual

// How long it takes. A run of a method through five tasks of 60 steps, or through the stream, takes some 20 s of one core. The model takes
// 1,500 steps of 1,400 tokens once, three minutes where nothing else runs. So on two cores
//
//	full    20 methods × 3 orders × 3 seeds, 33 runs to tune, and 17 methods × 3 × 3 on the stream: 366 runs, 1 hour
//	quick   20 methods × 2 orders × 1 seed with two thirds of the steps, nothing to tune: 40 runs, 5 minutes and the model

// Full is the whole benchmark.
func Full() Options {
	return Options{Budget: DefaultBudget(), Sizes: DefaultSizes(), Stream: DefaultStream(), Methods: Methods(), Tracks: []string{Tasks, Streaming}, Orders: 3, Seeds: 3, Workers: 2}
}

// Quick is for a first look: with settings that are not tuned, on two orders, which differ in what comes last.
func Quick() Options {
	opt := Full()
	opt.Tracks, opt.Orders, opt.Seeds = []string{Tasks}, 2, 1
	opt.Budget.Steps = opt.Budget.Steps * 2 / 3
	opt.Sizes.Exam, opt.Sizes.Quick = 2, 6
	for i := range opt.Methods {
		opt.Methods[i].Grid = nil
	}
	return opt
}
