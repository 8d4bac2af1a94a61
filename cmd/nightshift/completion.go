package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"nightshift/internal/app"
	"nightshift/internal/cli"
	"nightshift/internal/config"
	"nightshift/internal/registry"
	"nightshift/lab/bench"
)

// Completion in a shell. What is offered is read from the configuration and from the registry's files alone, without a model, so that it is
// there at once; where that fails nothing is offered and nothing is said.

// offer lists what can stand where the cursor is; args are the arguments before it.
type offer func(cmd *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective)

// completeFlags gives every command what it offers for its arguments and for the flags that mean something.
func completeFlags(root *cobra.Command, s *app.Flags) {
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	flags := map[string]offer{
		"config":  fixed(cobra.ShellCompDirectiveFilterFileExt, "yaml", "yml"),
		"model":   fixed(cobra.ShellCompDirectiveDefault), // a directory or a file
		"data":    fixed(cobra.ShellCompDirectiveFilterDirs),
		"weights": weightsOffer,
		"set":     keysOffer,
		"track":   reading(s, trackOffers),
		"replay":  reading(s, nightOffers),
		"live":    serverOffer(s),
	}
	for _, name := range []string{"text", "out", "notes", "peers", "questions"} { // files
		flags[name] = fixed(cobra.ShellCompDirectiveDefault)
	}
	kinds := map[string]offer{
		"TRACK":            reading(s, trackOffers),
		"TRACK@N":          reading(s, versionOffers),
		"TRACK@N[:WEIGHT]": reading(s, versionOffers),
		"NIGHT":            reading(s, nightOffers),
		"MODEL":            fixed(cobra.ShellCompDirectiveDefault),
		"DIR":              fixed(cobra.ShellCompDirectiveFilterDirs),
		"FILE":             fixed(cobra.ShellCompDirectiveDefault),
		"COMMAND":          commandsOffer,
	}
	var complete func(*cobra.Command)
	complete = func(cmd *cobra.Command) {
		for name, of := range flags {
			if cmd.LocalFlags().Lookup(name) != nil {
				if err := cmd.RegisterFlagCompletionFunc(name, cobra.CompletionFunc(of)); err != nil {
					panic(err) // each flag has one
				}
			}
		}
		wanted := cli.Arguments(cmd)
		if cmd.ValidArgsFunction == nil && !cmd.HasSubCommands() {
			cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
				at := len(args)
				if n := len(wanted); n > 0 && wanted[n-1].Repeated {
					at = min(at, n-1)
				}
				if at >= len(wanted) || kinds[wanted[at].Name] == nil {
					return nil, cobra.ShellCompDirectiveNoFileComp
				}
				return kinds[wanted[at].Name](cmd, args, word)
			}
		}
		for _, c := range cmd.Commands() {
			complete(c)
		}
	}
	complete(root)
}

// wholeVersions ends the script for bash with a line that has bash take an @ for a part of a word: it would complete what follows one as the
// name of a machine, and the names of versions have one.
func wholeVersions(root *cobra.Command) {
	bash, _, err := root.Find([]string{"completion", "bash"})
	if err != nil {
		panic(err) // cobra makes the command
	}
	script := bash.RunE
	bash.RunE = func(cmd *cobra.Command, args []string) error {
		if err := script(cmd, args); err != nil {
			return err
		}
		_, err := fmt.Fprintln(cmd.OutOrStdout(), "\n# Versions are named track@number.\nCOMP_WORDBREAKS=${COMP_WORDBREAKS//@/}")
		return err
	}
}

// fixed offers always the same.
func fixed(directive cobra.ShellCompDirective, words ...string) offer {
	return func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return words, directive
	}
}

// reading offers what the registry holds.
func reading(s *app.Flags, list func(r *registry.Registry) ([]string, error)) offer {
	return func(cmd *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
		r, err := s.OpenRegistry(cmd)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		names, err := list(r)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		offered := slices.DeleteFunc(names, func(name string) bool { return slices.Contains(args, bare(name)) })
		return beginning(offered, word), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

// bare is what is offered without its description.
func bare(offered string) string {
	word, _, _ := strings.Cut(offered, "\t")
	return word
}

// beginning keeps what begins with a word.
func beginning(offered []string, word string) []string {
	return slices.DeleteFunc(offered, func(name string) bool { return !strings.HasPrefix(bare(name), word) })
}

// trackOffers are the tracks, with what serves each.
func trackOffers(r *registry.Registry) ([]string, error) {
	tracks, err := r.Tracks()
	for i, track := range tracks {
		if a, err := r.Champion(track); err == nil {
			tracks[i] = cobra.CompletionWithDesc(track, "serves "+a.Champion().String())
		}
	}
	return tracks, err
}

// maxOffers bounds how many versions of a track and how many nights are offered: the newest.
const maxOffers = 100

// versionOffers are the versions of all tracks, the newest first and the base model last.
func versionOffers(r *registry.Registry) ([]string, error) {
	tracks, err := r.Tracks()
	if err != nil {
		return nil, err
	}
	var list []string
	for _, track := range tracks {
		champion, err := r.Champion(track)
		if err != nil {
			continue
		}
		refs, _ := r.Versions(track) // without those that are damaged
		for i, ref := range slices.Backward(refs) {
			if len(refs)-i > maxOffers {
				break
			}
			about := ""
			if m, err := r.Version(ref.Digest); err == nil {
				about = m.Made()
			}
			list = append(list, described(ref, champion, about))
		}
		list = append(list, described(registry.Ref{Track: track}, champion, "the model without what it learned"))
	}
	return list, nil
}

// described is a version with what is known of it.
func described(ref registry.Ref, champion registry.Activation, about string) string {
	if champion.Digest == ref.Digest {
		about = strings.TrimSuffix("champion, "+about, ", ")
	}
	return cobra.CompletionWithDesc(ref.String(), about)
}

// nightOffers are the nights, the newest first.
func nightOffers(r *registry.Registry) ([]string, error) {
	ids, err := r.ListNights()
	slices.Reverse(ids)
	ids = ids[:min(len(ids), maxOffers)]
	for i, id := range ids {
		if n, _, err := readNight(r, id); err == nil {
			ids[i] = cobra.CompletionWithDesc(id, fmt.Sprintf("%s, %s", n.Track, n.State))
		}
	}
	return ids, err
}

// weightsOffer offers formats: one, or for benchmarks several with commas between them.
func weightsOffer(cmd *cobra.Command, _ []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if f := cmd.Flags().Lookup("weights"); f == nil || f.Value.Type() != "stringSlice" {
		return beginning(valuesOf("weights"), word), cobra.ShellCompDirectiveNoFileComp
	}
	before := word[:strings.LastIndexByte(word, ',')+1]
	var list []cobra.Completion
	for _, format := range bench.Formats() {
		if !slices.Contains(strings.Split(before, ","), format) {
			list = append(list, before+format)
		}
	}
	return beginning(list, word), cobra.ShellCompDirectiveNoFileComp
}

// keysOffer offers the keys of the configuration, and after a = the values of one.
func keysOffer(_ *cobra.Command, _ []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var list []cobra.Completion
	key, _, valued := strings.Cut(word, "=")
	if valued {
		for _, value := range valuesOf(key) {
			list = append(list, key+"="+value)
		}
		return beginning(list, word), cobra.ShellCompDirectiveNoFileComp
	}
	for _, k := range config.Keys(app.Defaults()) {
		sentence, _, _ := strings.Cut(k.Doc, ". ")
		list = append(list, cobra.CompletionWithDesc(k.Name+"=", sentence))
	}
	return beginning(list, word), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// valuesOf lists the values that a key of the configuration can have.
func valuesOf(key string) []string {
	for _, k := range config.Keys(app.Defaults()) {
		if k.Name == key {
			return slices.Clone(k.Values)
		}
	}
	return nil
}

// commandsOffer offers the commands below the one that the words before name.
func commandsOffer(cmd *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
	group, rest, err := cmd.Root().Find(args)
	if err != nil || len(rest) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var list []cobra.Completion
	for _, c := range group.Commands() {
		if c.IsAvailableCommand() {
			list = append(list, cobra.CompletionWithDesc(c.Name(), c.Short))
		}
	}
	return beginning(list, word), cobra.ShellCompDirectiveNoFileComp
}

// serverOffer is the address of the server that runs on the data directory, or the one that it would have.
func serverOffer(s *app.Flags) offer {
	return func(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		c, err := s.Load(cmd)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		if at, running := app.RunningServer(c); running {
			return []string{at.URL}, cobra.ShellCompDirectiveNoFileComp
		}
		return []string{"http://" + c.Listen}, cobra.ShellCompDirectiveNoFileComp
	}
}
