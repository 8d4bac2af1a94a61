package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"nightshift/lab/bench"
)

func reportCommand() *cobra.Command {
	var out, notes, peers string
	cmd := &cobra.Command{Use: "report FILE...", Short: "Make a page from what benchmarks printed with --json",
		Long: "Make a page in Markdown, tables and charts, from files of what benchmarks printed with --json. Where two lines are about the\n" +
			"same case, the later one counts. The page in docs is made by\n\n  nightlab report --out docs/performance.md docs/performance/*.jsonl",
		RunE: func(_ *cobra.Command, args []string) error {
			if notes == "" {
				notes = filepath.Join(filepath.Dir(args[0]), "notes.md")
			}
			if peers == "" {
				peers = filepath.Join(filepath.Dir(args[0]), "peers.json")
			}
			page, err := makePage(args, notes, peers)
			if err != nil {
				return err
			}
			if out == "" {
				fmt.Print(page)
				return nil
			}
			if err := os.WriteFile(out, []byte(page), 0o644); err != nil {
				return fmt.Errorf("write the page: %w", err)
			}
			return nil
		}}
	cmd.Flags().StringVar(&out, "out", "", "file to write (default: standard output)")
	cmd.Flags().StringVar(&notes, "notes", "", "a sentence or more for each section (default: notes.md beside the first file)")
	cmd.Flags().StringVar(&peers, "peers", "", "what other programs reach, and on which machine (default: peers.json beside the first file)")
	return cmd
}

// makePage reads runs, notes and peers and makes the page. Notes and peers need not be there.
func makePage(files []string, notes, peers string) (string, error) {
	var lines []bench.Result
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return "", fmt.Errorf("read runs: %w", err)
		}
		list, err := bench.ReadResults(f)
		f.Close()
		if err != nil {
			return "", fmt.Errorf("read runs: %s: %w", name, err)
		}
		lines = append(lines, list...)
	}
	said, err := os.ReadFile(notes)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read notes: %w", err)
	}
	about, err := bench.ReadNotes(string(said))
	if err != nil {
		return "", fmt.Errorf("read %s: %w", notes, err)
	}
	others, err := readPeers(peers)
	if err != nil {
		return "", err
	}
	return bench.Page(lines, about, others)
}

// readPeers reads what other programs reach; nothing where there is no such file.
func readPeers(file string) ([]bench.Peer, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read peers: %w", err)
	}
	defer f.Close()
	list, err := bench.ReadPeers(f)
	if err != nil {
		return nil, fmt.Errorf("read peers: %s: %w", file, err)
	}
	return list, nil
}
