package api

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"nightshift/serve/api/wire"
)

// TestOrders pins what each route orders, who is said to have done it, and its answer.
func TestOrders(t *testing.T) {
	h := open(t, func(c *Config) {
		c.Keys = []Key{apiKey("ann", nil, roleAdmin), apiKey("updater", nil, roleAdmin)}
	})
	five := 5
	const done = `{"activation":6,"version":null,"serving":true,"swap_ms":0,"hold":false}`
	for _, c := range []struct {
		method, path, body string
		want               Order
		status             int
		answer             string
	}{
		{"POST", "/v1/tracks/default/activate", `{"version":2,"reason":"better","expect":5}`, Order{Change: Activate, Track: "default", Number: 2, Reason: "better", Expect: &five}, 200, done},
		{"POST", "/v1/tracks/default/activate", `{"version":"base"}`, Order{Change: Activate, Track: "default"}, 200, done},
		{"POST", "/v1/tracks/default/rollback", ``, Order{Change: Rollback, Track: "default"}, 200, done},
		{"POST", "/v1/tracks/support/hold", `{"reason":"holidays"}`, Order{Change: Hold, Track: "support", Reason: "holidays"}, 200, strings.Replace(done, "false", "true", 1)},
		{"DELETE", "/v1/tracks/support/hold", ``, Order{Change: Release, Track: "support"}, 200, done},
		{"DELETE", "/v1/tracks/support", `{}`, Order{Change: Delete, Track: "support"}, 200, `{"track":"support","deleted":true,"activation":6}`},
		{"POST", "/v1/tracks", `{"track":"default"}`, Order{Change: Create, Track: "default"}, 201, `{"track":"default","champion":{"version":3,`},
	} {
		r := h.do(c.method, c.path, c.body, bearer("ann")...)
		if c.want.Actor = "ann"; r.status != c.status || !strings.HasPrefix(r.body, c.answer) {
			t.Errorf("%s %s %s: status %d, %s", c.method, c.path, c.body, r.status, r.body)
		}
		if got := h.admin.orders[len(h.admin.orders)-1]; !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s %s %s: ordered %+v, want %+v", c.method, c.path, c.body, got, c.want)
		}
	}
	h.post("/v1/tracks/default/rollback", "", bearer("updater")...)
	if got := h.admin.orders[len(h.admin.orders)-1].Actor; got != "key:updater" {
		t.Errorf("a key that is called like the updater acts as %q", got)
	}
	h.post("/v1/tracks/default/rollback", `{"reason":"`+strings.Repeat("r", maxReason+1)+`"}`, bearer("ann")...).refused(t, 400, "invalid_value")
	if e := h.post("/v1/tracks/supports/rollback", "", bearer("ann")...).refused(t, 404, "track_not_found"); !strings.Contains(e.Message, "support") {
		t.Errorf("a track that is nearly there: %s", e.Message)
	}
}

// TestTracksAndAdapters pins what is shown of one track and of one version.
func TestTracksAndAdapters(t *testing.T) {
	h := open(t, nil)
	const track = `{"track":"default","champion":{"version":3,"digest":"` + digest3 + `","activation":5,"since":null,"hold":false},"candidate":null,"versions":3,"interactions":7,"feedback":0`
	if r := h.do("GET", "/v1/tracks/default", ""); !strings.HasPrefix(r.body, track+`,"next_night":{"track":"default",`) {
		t.Errorf("a track: %s", r.body)
	}
	if r := h.do("GET", "/v1/tracks", ""); !strings.HasPrefix(r.body, `{"data":[`+track+`},{"track":"support",`) {
		t.Errorf("all tracks: %s", r.body)
	}
	want := `{"track":"default","version":3,"digest":"","created":"0001-01-01T00:00:00Z","night":"","parent":"","state":"","examples":0,"gate":null,"self_test":null,"manifest":{"digest":"<d>"},"verdict":null}`
	if r := h.do("GET", "/v1/adapters/default@3", ""); r.body != want {
		t.Errorf("a version: %s", r.body)
	}
	for _, name := range []string{"default", "default@0", "default@x", "default@prev"} {
		h.do("GET", "/v1/adapters/"+name, "").refused(t, 404, "adapter_not_found")
	}
	if got := into[wire.Adapters](t, h.do("GET", "/v1/adapters", ""), 200); len(got.Data) != 2 {
		t.Errorf("versions of all tracks: %+v", got)
	}
	h.do("GET", "/v1/adapters?track=none", "").refused(t, 404, "track_not_found")
	h.do("GET", "/v1/adapters?track=a&track=b", "").refused(t, 400, "invalid_query")
	model := into[wire.Model](t, h.do("GET", "/v1/models/default@2", ""), 200)
	if model.ID != "default@2" || model.Champion != "default@2" || model.Created != 1_700_000_000 {
		t.Errorf("a model: %+v", model)
	}
}

// TestNightsOfTheAPI starts, lists, reads and follows nights.
func TestNightsOfTheAPI(t *testing.T) {
	h := open(t, nil)
	if r := h.post("/v1/nights", `{"track":"support","dry_run":true}`); r.status != 202 || r.body != `{"id":"n7","track":"support","state":"queued"}` {
		t.Errorf("status %d, %s", r.status, r.body)
	}
	h.post("/v1/nights", "")
	if want := []string{"support local true", "default local false"}; !slices.Equal(h.admin.requests, want) {
		t.Errorf("asked for %q, want %q", h.admin.requests, want)
	}
	for query, want := range map[string]string{"": "[] 50", "?limit=500": "[] 500", "?track=support&limit=1": "[support] 1"} {
		if r := h.do("GET", "/v1/nights"+query, ""); r.body != `{"data":[{"id":"n1"}]}` || h.admin.asked != want {
			t.Errorf("%s: %s, asked for %s", query, r.body, h.admin.asked)
		}
	}
	for _, query := range []string{"?limit=0", "?limit=501", "?limit=x"} {
		h.do("GET", "/v1/nights"+query, "").refused(t, 400, "invalid_value")
	}
	h.do("GET", "/v1/nights/none", "").refused(t, 404, "night_not_found")
	h.do("GET", "/v1/nights/none/events", "").refused(t, 404, "night_not_found")

	h.admin.events = []wire.Event{{Name: "state", Data: `{"state":"training"}`}, {}, {Name: "done", Data: `{"id":"n1"}`}}
	want := ": keep-alive\n\nevent: state\ndata: {\"state\":\"training\"}\n\n: keep-alive\n\nevent: done\ndata: {\"id\":\"n1\"}\n\n"
	if r := h.do("GET", "/v1/nights/n1/events", ""); r.body != want {
		t.Errorf("events %q", r.body)
	}
	h.admin.after = errors.New("the record is damaged")
	if r := h.do("GET", "/v1/nights/n1/events", ""); !strings.HasPrefix(r.body, want+`data: {"error":{"message":"the server failed`) {
		t.Errorf("events that end with an error: %q", r.body)
	}
}

// TestFollowersAtShutdown stops the server while somebody follows a night that says nothing: the stream ends with the reason.
func TestFollowersAtShutdown(t *testing.T) {
	h := open(t, nil)
	res := h.begin("GET", "/v1/nights/n1/events", "")
	defer res.Body.Close() //nolint:errcheck // read to its end
	stopped := make(chan struct{})
	go func() { defer close(stopped); h.stop() }()
	var last wire.Event
	for e, err := range wire.Events(res.Body) {
		must(t, err)
		last = e
	}
	<-stopped
	if !strings.Contains(last.Data, `"code":"shutting_down"`) {
		t.Errorf("the last event is %+v", last)
	}
}

// TestReadiness tells of a server that is not ready, of one that is degraded and of one that is well.
func TestReadiness(t *testing.T) {
	h := open(t, nil)
	if r := h.do("GET", "/readyz", ""); r.body != `{"status":"ready","degraded":[]}` || r.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s, %v", r.body, r.header)
	}
	h.admin.degraded = []string{"store: it lags"}
	if r := h.do("GET", "/readyz", ""); r.status != 200 || r.body != `{"status":"degraded","degraded":["store: it lags"]}` {
		t.Errorf("%d, %s", r.status, r.body)
	}
	h.admin.reasons = []string{"loading", "no store"}
	for _, path := range []string{"/readyz", "/health"} {
		if e := h.do("GET", path, "").refused(t, 503, "not_ready"); e.Message != "loading; no store" {
			t.Errorf("%s: %s", path, e.Message)
		}
	}
	for path, want := range map[string]string{"/livez": `{"status":"ok"}`, "/version": `{"version":"v1"}`,
		"/v1/status": `{"version":"v1","model":"tiny","uptime_seconds":0,"store":{"kind":"local","degraded":false,"detail":""},"auth":"none","roles":["admin"],"updater":"none","schedule":""}`} {
		if r := h.do("GET", path, ""); r.status != 200 || r.body != want {
			t.Errorf("%s: %d, %s", path, r.status, r.body)
		}
	}
	if r := h.do("HEAD", "/livez", ""); r.status != 200 || r.body != "" {
		t.Errorf("HEAD: %d, %q", r.status, r.body)
	}
}
