package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"nightshift/internal/app"
	"nightshift/internal/cli"
	"nightshift/internal/engine"
	"nightshift/internal/retention"
	"nightshift/onnx/ort"
)

// finding is one line of the doctor's report.
type finding struct {
	Check  string `json:"check"`
	State  string `json:"state"` // ok, warning or failed
	Detail string `json:"detail"`
}

// States of a finding.
const (
	stateOK      = "ok"
	stateWarning = "warning"
	stateFailed  = "failed"
)

func doctorCommand(s *app.Flags) *cobra.Command {
	var asJSON bool
	var live string
	cmd := &cobra.Command{Use: "doctor", Short: "Say what this machine has and what is missing: library, model, store, disk, keys"}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	cmd.Flags().StringVar(&live, "live", "", "only ask a running server whether it is ready: --live http://127.0.0.1:8080")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if live != "" {
			return askReady(cmd.Context(), live)
		}
		c, err := s.Load(cmd)
		if err != nil {
			return err
		}
		return printFindings(examine(cmd.Context(), c), asJSON)
	}
	return cmd
}

// askReady fails unless the server at base says that it is ready.
func askReady(ctx context.Context, base string) error {
	if u, err := url.Parse(base); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("--live %s: want the address of a server, such as http://127.0.0.1:8080", base)
	}
	ctx, stop := context.WithTimeout(ctx, 5*time.Second)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(base, "/")+"/readyz", nil)
	if err != nil {
		return fmt.Errorf("ask the server: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("no server answers at %s", base)
	}
	if err != nil {
		return fmt.Errorf("ask the server: %w", err)
	}
	defer resp.Body.Close() //nolint:errcheck // only the status counts
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the server is not ready: %s", resp.Status)
	}
	return nil
}

// printFindings prints a report and fails when a check failed.
func printFindings(list []finding, asJSON bool) error {
	bad := false
	t := tabwriter.NewWriter(os.Stdout, 2, 8, 2, ' ', 0)
	for _, f := range list {
		bad = bad || f.State == stateFailed
		if asJSON {
			if err := json.NewEncoder(os.Stdout).Encode(f); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", f.State, f.Check, f.Detail)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if bad {
		return cli.ExitCode(1)
	}
	return nil
}

// examine runs every check.
func examine(ctx context.Context, c app.Config) []finding {
	var list []finding
	add := func(check string, detail string, err error) {
		f := finding{Check: check, State: stateOK, Detail: detail}
		if err != nil {
			f.State, f.Detail = stateFailed, err.Error()
		}
		list = append(list, f)
	}
	for _, w := range c.Warnings {
		list = append(list, finding{"configuration", stateWarning, w})
	}
	cache, err := app.CacheDir(c)
	add("cache", cache, err)
	lib, err := ort.Find(ctx, ort.FindOptions{CacheDir: cache})
	add("library", fmt.Sprintf("ONNX Runtime %s at %s (%s)", lib.Version, lib.Path, lib.Source), err)
	list = append(list, examineModel(c))
	detail, err := app.ExamineStore(ctx, c)
	add("store", detail, err)
	detail, err = examineRegistry(c)
	add("registry", detail, err)
	list = append(list, examineForgetting(c)...)
	list = append(list, examineDisk(c), examineKeys(c))
	schedule := "only on request"
	if c.Update.Schedule != "" {
		schedule = fmt.Sprintf("%q, time zone %s", c.Update.Schedule, c.Update.TimeZone)
	}
	add("nights", schedule, nil)
	return list
}

// examineModel loads the model without its session.
func examineModel(c app.Config) finding {
	dir, cache, err := app.ModelDir(c)
	if err != nil {
		return finding{"model", stateFailed, err.Error()}
	}
	m, err := engine.LoadModelAs(dir, cache, c.Weights)
	if err != nil {
		return finding{"model", stateFailed, err.Error()}
	}
	g := m.Config
	f := finding{"model", stateOK, fmt.Sprintf("%s: %d layers, %d heads, width %d, vocabulary %d, context %d, weights %s", dir, g.Layers, g.Heads, g.Width, g.Vocab, g.Context, c.Weights)}
	for _, note := range m.Notes() {
		f.Detail += "; " + note
	}
	for _, doubt := range m.Doubts() {
		f.State = stateWarning
		f.Detail += "; " + doubt
	}
	if m.Template == nil {
		f.State = stateWarning
		f.Detail += "; it has no chat template, so only /v1/completions works"
	}
	return f
}

// examineRegistry reads what every track serves.
func examineRegistry(c app.Config) (string, error) {
	if _, err := os.Stat(c.RegistryDir()); os.IsNotExist(err) {
		return c.RegistryDir() + " is made at the first start", nil
	}
	r, err := app.RegistryOf(c)
	if err != nil {
		return "", err
	}
	tracks, err := r.Tracks()
	if err != nil {
		return "", err
	}
	var parts []string
	for _, t := range tracks {
		a, err := r.Champion(t)
		if err != nil {
			return "", err
		}
		parts = append(parts, a.Champion().String())
	}
	return r.Dir() + " serves " + strings.Join(parts, ", "), nil
}

// examineForgetting warns of tracks whose champions know less of something than their ancestors did. What is wrong with the registry
// itself is another finding.
func examineForgetting(c app.Config) (list []finding) {
	if _, err := os.Stat(c.RegistryDir()); err != nil {
		return nil
	}
	r, err := app.RegistryOf(c)
	if err != nil {
		return nil
	}
	tracks, err := r.Tracks()
	if err != nil {
		return nil
	}
	sets := 0
	for _, track := range tracks {
		report, err := retention.Read(r, track)
		if err != nil {
			list = append(list, finding{"forgetting", stateWarning, fmt.Sprintf("track %s: %v", track, err)})
		}
		for _, a := range report.Alarms {
			list = append(list, finding{"forgetting", stateWarning, fmt.Sprintf("track %s: %s; nightshift night matrix --track %s", track, a, track)})
		}
		sets += len(report.Sets)
	}
	if len(list) == 0 && sets > 0 {
		list = append(list, finding{"forgetting", stateOK, fmt.Sprintf("%d sets of probes, none below its best by more than update.forgetting", sets)})
	}
	return list
}

// examineDisk says how much room the data directory has.
func examineDisk(c app.Config) finding {
	dir := c.Data
	for {
		if _, err := os.Stat(dir); err == nil || filepath.Dir(dir) == dir {
			break
		}
		dir = filepath.Dir(dir)
	}
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return finding{"disk", stateFailed, fmt.Sprintf("read free space of %s: %v", dir, err)}
	}
	free := float64(s.Bavail) * float64(s.Bsize) / 1e9
	f := finding{"disk", stateOK, fmt.Sprintf("%s: %.1f GB free", c.Data, free)}
	if free < 1 {
		f.State = stateWarning
	}
	return f
}

// examineKeys says who may call.
func examineKeys(c app.Config) finding {
	if len(c.Keys) == 0 {
		return finding{"keys", stateOK, "none: the server answers everybody who reaches " + c.Listen + ", which must be this machine alone"}
	}
	names := make([]string, len(c.Keys))
	for i, k := range c.Keys {
		names[i] = fmt.Sprintf("%s (%s)", k.Name, strings.Join(k.Roles, ", "))
	}
	return finding{"keys", stateOK, strings.Join(names, "; ")}
}
