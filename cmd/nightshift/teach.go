package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"nightshift/internal/app"
	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/internal/teach"
	"nightshift/serve/api/wire"
	"nightshift/update"
	"nightshift/update/night"
)

// teachFlags are what teach is asked for.
type teachFlags struct {
	track                                   string
	dryRun, yes, asJSON, last, again, night bool
}

func teachCommand(s *app.Flags) *cobra.Command {
	var opt teachFlags
	cmd := &cobra.Command{Use: "teach FILE...", Short: "Teach a track questions with their answers out of files: CSV, Markdown or JSON lines",
		Long: "Teach a track questions with their answers out of files: CSV with the columns question and answer, Markdown with questions as headings,\n" +
			"or JSON lines in the formats of OpenAI's fine-tuning ({\"messages\"}) and of TRL ({\"prompt\", \"completion\"}, {\"prompt\", \"chosen\"}).\n" +
			"What they would change is shown before anything is kept. It counts as an editor's word, and the next night learns it.\n" +
			"A batch is taken back with nightshift forget --subject teach:BATCH."}
	f := cmd.Flags()
	f.StringVar(&opt.track, "track", registry.Default, "track that is taught")
	f.BoolVar(&opt.dryRun, "dry-run", false, "show what the files would change, and keep nothing")
	f.BoolVar(&opt.yes, "yes", false, "keep it without asking first")
	f.BoolVar(&opt.last, "last-wins", false, "where files answer a question differently, take the last answer")
	f.BoolVar(&opt.again, "again", false, "teach again what was said or learned already, such as what a rejected night selected")
	f.BoolVar(&opt.night, "now", false, "then run one night")
	f.BoolVar(&opt.asJSON, "json", false, "the result as JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case opt.dryRun && opt.night:
			return errors.New("teach: --dry-run keeps nothing that --now could learn; leave one of them out")
		case !opt.dryRun && !opt.yes && (opt.asJSON || !answers(os.Stdin)):
			return errors.New("teach asks before it keeps anything, on a terminal; --yes keeps it without asking, and --dry-run only shows it")
		}
		l := &lessons{opt: opt}
		if err := l.read(args); err != nil {
			return err
		}
		return l.run(s, cmd)
	}
	return cmd
}

// lessons are what files teach, and what became of it.
type lessons struct {
	opt    teachFlags
	batch  teach.Batch
	notes  []string
	files  int
	states []wire.TeachState // of the batch's facts
	taught wire.Taught       // without its items
	night  *nightrecord.Night
}

// maxShown bounds what is listed of a kind.
const maxShown = 20

// read reads all files, and refuses what contradicts itself in them.
func (l *lessons) read(names []string) error {
	var facts []teach.Fact
	for _, name := range names {
		f, err := teach.Open(name)
		if err != nil {
			return err
		}
		if facts = append(facts, f.Facts...); len(facts) > teach.MaxFacts {
			return fmt.Errorf("teach %s: the files have more than %d questions; teach them one after the other", name, teach.MaxFacts)
		}
		l.notes = append(l.notes, f.Notes...)
	}
	l.files, l.batch = len(names), teach.Merge(facts)
	if n := len(l.batch.Conflicts); n > 0 && !l.opt.last {
		var list []string
		for _, p := range l.batch.Conflicts[:min(n, maxShown)] {
			list = append(list, fmt.Sprintf("%s and %s answer %q differently", p.First.At(), p.Second.At(), short(p.First.Question())))
		}
		return fmt.Errorf("teach: %s (%d such questions); correct the files, or take the last answer with --last-wins", strings.Join(list, "; "), n)
	}
	return nil
}

// run asks the server that uses the data directory, or one that is started for it, and then runs a night if that is wanted.
func (l *lessons) run(s *app.Flags, cmd *cobra.Command) error {
	c, err := s.Load(cmd)
	if err != nil {
		return err
	}
	if at, running := app.RunningServer(c); running {
		if err := l.teach(cmd.Context(), at); err != nil {
			return err
		}
		return l.finish(func(show func(nightrecord.Night)) (nightrecord.Night, error) {
			return app.RemoteNight(cmd.Context(), at, l.opt.track, false, show)
		})
	}
	r, err := app.RegistryOf(c)
	if err == nil {
		err = r.FindTrack(l.opt.track)
	}
	if err != nil {
		return err
	}
	p, err := s.Open(cmd, app.Once)
	if err != nil {
		return err
	}
	if err := p.Lend(cmd.Context(), l.teach); err != nil {
		return p.Closing(err)
	}
	return p.Closing(l.finish(func(show func(nightrecord.Night)) (n nightrecord.Night, err error) {
		nights, err := p.NewNights(night.Deps{Progress: show})
		if err != nil {
			return n, err
		}
		return update.New(nights).RunNight(cmd.Context(), night.Request{Track: l.opt.track, By: "teach"})
	}))
}

// teach looks at the facts, shows what they would change, and has them kept if that is wanted.
func (l *lessons) teach(ctx context.Context, at app.Address) error {
	if err := l.send(ctx, at, true); err != nil {
		return err
	}
	if !l.opt.asJSON {
		l.show(os.Stdout)
	}
	n := len(l.wanted())
	if l.opt.dryRun || n == 0 {
		return nil
	}
	if !l.opt.yes {
		if ok, err := confirmed(os.Stdin, os.Stdout, fmt.Sprintf("Teach track %s %s?", l.opt.track, counted(n, "answer"))); err != nil || !ok {
			return errors.Join(err, errors.New("teach: nothing was kept"))
		}
	}
	return l.send(ctx, at, false)
}

// wanted are the places of the facts that are to be kept.
func (l *lessons) wanted() (list []int) {
	for i, st := range l.states {
		switch st.State {
		case wire.TeachNew, wire.TeachChanges:
			list = append(list, i)
		case wire.TeachSaid, wire.TeachLearned:
			if l.opt.again {
				list = append(list, i)
			}
		}
	}
	return list
}

// Bounds of one request: the model is asked each of its questions before it is answered.
const (
	lookedAt  = 100
	taughtAt  = 20
	sentBytes = 700 << 10
)

// send sends the facts, in several requests: all to be looked at, or those that are wanted to be kept.
func (l *lessons) send(ctx context.Context, at app.Address, look bool) error {
	var list []int
	limit := taughtAt
	if look {
		l.states, limit = make([]wire.TeachState, len(l.batch.Facts)), lookedAt
		for i := range l.batch.Facts {
			list = append(list, i)
		}
	} else {
		list = l.wanted()
	}
	for done := 0; done < len(list); {
		q := wire.TeachRequest{Track: l.opt.track, Batch: l.batch.Digest(), DryRun: look, Again: l.opt.again}
		for size := 0; done+len(q.Items) < len(list) && len(q.Items) < limit; {
			f := l.batch.Facts[list[done+len(q.Items)]]
			item := wire.TeachItem{Answer: f.Answer, Source: f.Source()}
			for _, m := range f.Messages {
				item.Messages = append(item.Messages, wire.TeachMessage(m))
			}
			data, err := json.Marshal(item)
			if err != nil {
				return fmt.Errorf("teach %s: %w", f.At(), err)
			}
			if size += len(data); size > sentBytes && len(q.Items) > 0 {
				break
			}
			q.Items = append(q.Items, item)
		}
		answer, err := app.RemoteTeach(ctx, at, q)
		if err != nil {
			if !look && l.taught.Taught > 0 {
				err = fmt.Errorf("%w; %s of %d were kept: run the command again, which goes on with the others", err, counted(l.taught.Taught, "answer"), len(list))
			}
			return err
		}
		for k, st := range answer.Items {
			l.states[list[done+k]] = st
		}
		kept := l.taught.Taught + answer.Taught
		l.taught, l.taught.Items, l.taught.Taught = answer, nil, kept
		done += len(q.Items)
		l.progress(look, done, len(list))
	}
	return nil
}

// progress shows on a terminal how many questions were asked.
func (l *lessons) progress(look bool, done, of int) {
	if look || l.opt.asJSON || !isTerminal(os.Stderr) {
		return
	}
	fmt.Fprintf(os.Stderr, "\rasked %d of %d   ", done, of)
	if done == of {
		fmt.Fprintln(os.Stderr)
	}
}

// finish says what was kept, and runs a night if that is wanted.
func (l *lessons) finish(run func(show func(nightrecord.Night)) (nightrecord.Night, error)) error {
	printer := &nightPrinter{}
	if l.opt.asJSON {
		printer = nil
	} else {
		l.end(os.Stdout)
	}
	if l.opt.night && l.taught.Taught > 0 {
		show := func(nightrecord.Night) {}
		if printer != nil {
			show = printer.show
		}
		n, err := run(show)
		if err != nil {
			return err
		}
		if printer != nil {
			return printer.result(n)
		}
		l.night = &n
	}
	if l.opt.asJSON {
		return json.NewEncoder(os.Stdout).Encode(l.report())
	}
	return nil
}

// answers says whether somebody can answer on a file: it is a terminal, and not the device that scripts have in its place.
func answers(f *os.File) bool {
	info, err := f.Stat()
	null, nothing := os.Stat(os.DevNull)
	return err == nil && isTerminal(f) && (nothing != nil || !os.SameFile(info, null))
}

// confirmed asks a question that is answered with yes or no.
func confirmed(in io.Reader, out io.Writer, question string) (bool, error) {
	fmt.Fprintf(out, "%s [y/N] ", question)
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes", nil
}
