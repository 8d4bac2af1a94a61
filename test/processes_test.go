package test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nightshift/replaystore/replaytest"
)

// TestProcesses runs the large shape: servers and an updater as processes of their own, which share Redis and a registry
// and nothing else.
func TestProcesses(t *testing.T) {
	slow(t)
	needRuntime(t)
	redis := replaytest.StartRedis(t, "--appendonly", "yes")
	dir := t.TempDir()
	config := writeFile(t, dir, "nightshift.yaml", shortNight+`
registry: `+filepath.Join(dir, "registry")+`
store: {kind: redis, redis: {addresses: ["`+redis.Addr+`"]}}
`)
	data := func(name string) []string { return []string{"--config", config, "--data", filepath.Join(dir, name)} }
	one := serverOf(t, "serve", data("one")...)
	two := serverOf(t, "serve", data("two")...)
	updater := launch(t, append([]string{"update"}, data("updater")...)...)
	await(t, "the updater is ready", func() bool { return strings.Contains(updater.said(t), "the updater is ready") })
	for _, s := range []*program{one, two} {
		var status struct {
			Store   struct{ Kind string }
			Updater string
		}
		s.call(http.MethodGet, "/v1/status", nil, http.StatusOK).into(t, &status)
		if status.Store.Kind != "redis" || status.Updater != "remote" {
			t.Errorf("status %+v", status)
		}
	}
	if share := learned(t, two); share != 0 {
		t.Fatalf("%.0f %% of the changed fact's questions are answered with the new value before anybody has taught it", 100*share)
	}
	customers := customersOf(t)
	correct(t, customers, one, two)
	asked := time.Now()
	n := one.night()
	published(t, n)
	t.Logf("night took %.1f s\n%s", time.Since(asked).Seconds(), verdictOf(n))
	if got := n.Selected.New + n.Selected.HeldOut + n.Selected.Rejected + n.Selected.Quarantined; got < people {
		t.Errorf("the night saw %d of %d corrections, which two servers took", got, people)
	}
	if there := two.followed(n.ID); there.State != n.State || there.Candidate.Digest != n.Candidate.Digest {
		t.Errorf("the other server shows %s", verdictOf(there))
	}
	for i, s := range []*program{one, two} {
		await(t, "the server has swapped", func() bool { return s.champion().Digest == n.Candidate.Digest })
		share := learned(t, s)
		t.Logf("server %d serves default@%d: %.0f %% of the changed fact's questions are right", i+1, *s.champion().Version, 100*share)
		if share < 0.6 {
			t.Errorf("server %d: %.0f %% of the changed fact's questions are right after the night", i+1, 100*share)
		}
	}

	var back struct {
		Activation int  `json:"activation"`
		Serving    bool `json:"serving"`
	}
	one.call(http.MethodPost, "/v1/tracks/default/rollback", map[string]string{"reason": "test"}, http.StatusOK).into(t, &back)
	if c := one.champion(); !back.Serving || c.Digest != "" {
		t.Errorf("the rollback says %+v, and its server serves %+v", back, c)
	}
	rolled := time.Now()
	await(t, "the other server has followed the rollback", func() bool {
		c := two.champion()
		return c.Digest == "" && c.Activation == back.Activation && c.Hold != nil
	})
	t.Logf("the other server followed the rollback after %.0f ms", 1000*time.Since(rolled).Seconds())
	if a := two.ask("", customers[0].question); a.Model != "default@base" {
		t.Errorf("the other server answers with %s", a.Model)
	}
	for _, p := range []*program{updater, one, two} {
		if code := p.stop(t); code != 0 {
			t.Errorf("status %d after SIGTERM:\n%s", code, tail(p.said(t), 2000))
		}
	}
	replayed(t, n.ID, n.Candidate.Digest, data("updater")...)
}

// TestCommandsBesideAnUpdater runs the commands that end by themselves on the data directory of an updater that runs, as one
// would inside its container.
func TestCommandsBesideAnUpdater(t *testing.T) {
	needRuntime(t)
	redis := replaytest.StartRedis(t)
	dir := t.TempDir()
	config := writeFile(t, dir, "nightshift.yaml", `
registry: `+filepath.Join(dir, "registry")+`
store: {kind: redis, redis: {addresses: ["`+redis.Addr+`"]}}
`)
	args := []string{"--config", config, "--data", filepath.Join(dir, "data")}
	updater := launch(t, append([]string{"update"}, args...)...)
	await(t, "the updater is ready", func() bool { return strings.Contains(updater.said(t), "the updater is ready") })
	for want, command := range map[string][]string{
		"skipped":                {"update", "--dry-run"},
		": skipped":              {"update", "--now"},
		"deleted 0 interactions": {"forget", "--subject", "customer-17"},
		"no version learned":     {"forget", "--subject", "customer-17", "--retrain"},
	} {
		if got := execute(t, append(command, args...)...); got.code != 0 || !strings.Contains(got.out, want) {
			t.Errorf("%v: status %d\n%s%s", command, got.code, got.out, got.err)
		}
	}
}
