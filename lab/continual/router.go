package continual

import (
	"strconv"

	"nightshift/internal/routing"
	"nightshift/update/train"
)

// router tells tasks apart by the tokens of a question, as requests are routed to tracks. Counts of one task do not change with
// another, so that it forgets nothing.
type router struct {
	vocab    int
	profiles []*routing.Profile
	chooser  *routing.Router
}

// learn adds a task.
func (r *router) learn(list []train.Sequence) {
	p := &routing.Profile{}
	for _, q := range list {
		p.Add(q.Tokens[:q.Prompt])
	}
	r.profiles = append(r.profiles, p)
	named := map[string]*routing.Profile{}
	for task, p := range r.profiles {
		named[strconv.Itoa(task)] = p
	}
	r.chooser = routing.New(named, r.vocab)
}

// route is the likeliest task of a question, however sure that is; −1 when there is none.
func (r *router) route(prompt []int32) int {
	if r.chooser == nil {
		return -1
	}
	task, err := strconv.Atoi(r.chooser.Choose(prompt, nil).Name)
	if err != nil {
		return -1
	}
	return task
}
