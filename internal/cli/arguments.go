package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"nightshift/internal/nearest"
)

// Argument is what follows a command: "TRACK@N", "[TRACK]" where it may be left out, "FILE..." where there may be several.
type Argument struct {
	Name               string
	Optional, Repeated bool
}

// Arguments reads a command's arguments from its usage, which is the one place that says what they are.
func Arguments(cmd *cobra.Command) []Argument {
	var list []Argument
	for _, word := range strings.Fields(cmd.Use)[1:] {
		if strings.HasPrefix(word, "-") {
			break // a flag and its value
		}
		a := Argument{Name: word}
		a.Name, a.Repeated = strings.CutSuffix(a.Name, "...")
		if strings.HasPrefix(a.Name, "[") && strings.HasSuffix(a.Name, "]") {
			a.Name, a.Optional = a.Name[1:len(a.Name)-1], true
		}
		list = append(list, a)
	}
	return list
}

// check has a command and those below it say what is wrong with what follows them: a command that only groups others refuses words that
// name none of them, and prints its help alone; another one names the argument that is missing, or the one that is too many.
func check(cmd *cobra.Command, kinds map[string]string) {
	for _, c := range cmd.Commands() {
		check(c, kinds)
	}
	if !cmd.Runnable() {
		cmd.Args = cobra.ArbitraryArgs
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		}
		return
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error { return checkArguments(cmd, args, kinds) }
}

// checkArguments compares what follows a command with its usage.
func checkArguments(cmd *cobra.Command, args []string, kinds map[string]string) error {
	wanted := Arguments(cmd)
	for i, a := range wanted {
		if i >= len(args) && !a.Optional {
			return fmt.Errorf("%s needs %s: %s", path(cmd), a.Name, kinds[a.Name])
		}
		if a.Repeated {
			return nil
		}
		if i < len(args) && args[i] == "" {
			return fmt.Errorf("%s: %s is empty: want %s", path(cmd), a.Name, kinds[a.Name])
		}
	}
	if len(args) <= len(wanted) {
		return nil
	}
	extra := args[len(wanted)]
	switch {
	case cmd.HasSubCommands():
		return unknownCommand(cmd, extra)
	case len(wanted) == 0:
		return fmt.Errorf("%s takes no argument, but %q follows; %s --help says what it takes", path(cmd), extra, cmd.CommandPath())
	}
	return fmt.Errorf("%s takes %s and no more, but %q follows", path(cmd), strings.Join(strings.Fields(cmd.Use)[1:], " "), extra)
}

// path is how a command is named in errors, which begin with the program's name.
func path(cmd *cobra.Command) string {
	return strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
}

// unknownCommand names the nearest command below a group.
func unknownCommand(group *cobra.Command, word string) error {
	var names []string
	for _, c := range group.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return fmt.Errorf("unknown command %q; %s --help lists them%s", strings.TrimPrefix(path(group)+" "+word, group.Root().Name()+" "), group.CommandPath(), nearest.Question(word, names))
}

// flagError says which flag is wrong, what it takes, and which name is near.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var alone *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "":
		return fmt.Errorf("unknown flag -%s; %s --help lists them", unknown.GetSpecifiedName(), cmd.CommandPath())
	case errors.As(err, &unknown):
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
		name := "--" + unknown.GetSpecifiedName()
		return fmt.Errorf("unknown flag %s; %s --help lists them%s", name, cmd.CommandPath(), nearest.Question(name, names))
	case errors.As(err, &alone):
		return fmt.Errorf("--%s needs a value: %s", alone.GetFlag().Name, alone.GetFlag().Usage)
	case errors.As(err, &invalid):
		f := invalid.GetFlag()
		if want := flagKinds[f.Value.Type()]; want != "" {
			return fmt.Errorf("--%s: want %s, not %q", f.Name, want, invalid.GetValue())
		}
	}
	return err
}

// flagKinds says what a flag of a type takes.
var flagKinds = map[string]string{"int": "a whole number", "int64": "a whole number", "uint64": "a whole number of at least 0", "float64": "a number", "bool": "true or false",
	"duration": "a duration such as 500ms, 30s or 2h", "intSlice": "whole numbers with commas between them", "float64Slice": "numbers with commas between them"}

// helpCommand is help that knows when it was asked about nothing.
func helpCommand() *cobra.Command {
	return &cobra.Command{Use: "help [COMMAND]...", Short: "Say what a command is for and what it takes", RunE: func(cmd *cobra.Command, args []string) error {
		about, rest, err := cmd.Root().Find(args)
		if err != nil {
			return err
		}
		if len(rest) > 0 && !slices.ContainsFunc(rest, func(w string) bool { return strings.HasPrefix(w, "-") }) {
			return unknownCommand(about, rest[0])
		}
		about.InitDefaultHelpFlag()
		return about.Help()
	}}
}
