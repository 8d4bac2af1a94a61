// Command nightshift serves a language model by day and learns from its users by night.
package main

import (
	"errors"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"nightshift/internal/app"
	"nightshift/internal/cli"
	"nightshift/internal/registry"
	"nightshift/internal/telemetry"
)

func main() { os.Exit(cli.Run(rootCommand(), advise)) }

// advise is an error's text, with what lists the tracks where one was mistyped that is near none.
func advise(err error) string {
	text := err.Error()
	if errors.Is(err, registry.ErrNoTrack) && !strings.HasSuffix(text, "?") {
		text += "; nightshift track list lists them, nightshift track create makes one"
	}
	return text
}

func rootCommand() *cobra.Command {
	var s app.Flags
	root := &cobra.Command{Use: "nightshift", Short: "Serve a language model by day and learn from its users by night", Version: telemetry.BuildInfo().Version}
	s.AddFlags(root.PersistentFlags())
	root.AddCommand(runCommand(&s), serveCommand(&s), updateCommand(&s), nightCommand(&s), importCommand(&s), anchorsCommand(&s), trackCommand(&s), adapterCommand(&s),
		teachCommand(&s), forgetCommand(&s), demoCommand(&s), benchCommand(&s), doctorCommand(&s), configCommand(&s), manCommand())
	cli.Complete(root, argumentKinds, usefulFlags)
	completeFlags(root, &s)
	wholeVersions(root)
	return root
}

// argumentKinds says what the arguments are that commands name in their usage.
var argumentKinds = map[string]string{
	"TRACK":            "a track, such as default; nightshift track list lists them",
	"TRACK@N":          "a version, such as default@3 or default@base; nightshift adapter list lists them",
	"TRACK@N[:WEIGHT]": "versions and what each counts, such as default@3 default@2:-1; nightshift adapter list lists them",
	"NIGHT":            "the id of a night; nightshift night list lists them",
	"MODEL":            "a directory in Hugging Face layout, a GGUF file, or a directory with a PEFT adapter",
	"DIR":              "a directory",
	"FILE":             "a file, or several",
	"COMMAND":          "a command",
}

// usefulFlags are the common flags that are of use to a command and to those below it; its help leaves the others out.
var usefulFlags = map[string]string{
	"track":         "config set data",
	"adapter":       "config set data",
	"adapter merge": "config set data model",
	"night":         "config set data",
	"import":        "config set data model weights threads",
	"anchors":       "config set data model weights threads",
	"update":        "config set data model weights threads",
	"teach":         "config set data model weights threads",
	"forget":        "config set data model weights threads",
	"demo":          "config set",
	"bench":         "config set model threads",
	"man":           "",
	"help":          "",
	"completion":    "",
}
