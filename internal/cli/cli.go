// Package cli is how the programs read their command lines: what is wrong with arguments and flags is said by name with what would be
// right, a group without a command prints its help, and a command's help shows only those of the common flags that are of use to it.
//
// It knows no command of theirs and nothing of what they do.
package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// ExitCode ends the program with a status and prints nothing: the command has said all.
type ExitCode int

func (c ExitCode) Error() string { return fmt.Sprintf("exit status %d", int(c)) }

// Run executes a program's root command until it is done or the program is asked to stop, and returns the status to exit with. advise, which
// may be nil, completes an error's text.
func Run(root *cobra.Command, advise func(error) string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := root.ExecuteContext(ctx)
	var code ExitCode
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	case advise == nil:
		advise = error.Error
	}
	fmt.Fprintln(os.Stderr, root.Name()+":", advise(err))
	return 1
}

// Complete finishes a root command that has all of its commands. kinds says what the arguments are that commands name in their usage;
// useful names, by command, the common flags that are of use to it and to those below it: see narrow.
func Complete(root *cobra.Command, kinds, useful map[string]string) {
	root.SilenceUsage, root.SilenceErrors = true, true
	root.SetHelpCommand(helpCommand())
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	root.SetFlagErrorFunc(flagError)
	check(root, kinds)
	narrowHelp(root, useful)
}
