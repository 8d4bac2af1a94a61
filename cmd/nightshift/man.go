package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"nightshift/internal/cli"
	"nightshift/internal/telemetry"
)

func manCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "man DIR", Short: "Write the manual pages, one a command, into a directory such as /usr/local/share/man/man1"}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := os.MkdirAll(args[0], 0o755); err != nil {
			return fmt.Errorf("make the directory for manual pages: %w", err)
		}
		pages, err := manPages(cmd.Root())
		if err != nil {
			return err
		}
		for name, page := range pages {
			if err := os.WriteFile(filepath.Join(args[0], name), page, 0o644); err != nil {
				return fmt.Errorf("write manual page: %w", err)
			}
		}
		fmt.Printf("%d manual pages are in %s; read one with: man %s\n", len(pages), args[0], filepath.Join(args[0], "nightshift.1"))
		return nil
	}
	return cmd
}

// manPages makes the manual page of a command and of those below it, by file name. Their date is today, or that of SOURCE_DATE_EPOCH.
func manPages(root *cobra.Command) (map[string][]byte, error) {
	pages := map[string][]byte{}
	root.DisableAutoGenTag = true
	var write func(cmd *cobra.Command) error
	write = func(cmd *cobra.Command) error {
		if !cmd.IsAvailableCommand() && cmd.HasParent() {
			return nil
		}
		cli.Narrow(cmd, usefulFlags)
		var page bytes.Buffer
		header := doc.GenManHeader{Section: "1", Source: "nightshift " + telemetry.BuildInfo().Version, Manual: "Nightshift"}
		if err := doc.GenMan(cmd, &header, &page); err != nil {
			return fmt.Errorf("write the manual page of %s: %w", cmd.CommandPath(), err)
		}
		pages[strings.ReplaceAll(cmd.CommandPath(), " ", "-")+".1"] = page.Bytes()
		for _, c := range cmd.Commands() {
			if err := write(c); err != nil {
				return err
			}
		}
		return nil
	}
	return pages, write(root)
}
