package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// house is a configuration of its own: a section that embeds another, a list of mappings, and a map of sections that inherit.
type house struct {
	Name  string          `yaml:"name" doc:"Name."`
	Room  room            `yaml:"room" doc:"A room."`
	Doors []door          `yaml:"doors" doc:"Doors."`
	Rooms map[string]flat `yaml:"rooms" doc:"Rooms that differ."`

	Note string `yaml:"-"`
}

type flat struct {
	Room room `yaml:"room" inherits:"room" doc:"As the room above."`
}

type room struct {
	size
	Lights []string      `yaml:"lights" oneof:"red,green" doc:"Lights."`
	Wait   time.Duration `yaml:"wait" doc:"Wait."`
	Code   string        `yaml:"code" secret:"true" doc:"Code."`
}

type size struct {
	Width int `yaml:"width" min:"1" max:"9" doc:"Width."`
}

type door struct {
	To string `yaml:"to" doc:"Where to."`
}

func (d door) Check(report func(key, format string, args ...any)) {
	if d.To == "" {
		report("to", "want a room")
	}
}

func open(t *testing.T, text string, environ []string, overrides map[string]string) (house, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "house.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	h := house{Room: room{size: size{Width: 2}, Wait: time.Hour}}
	_, err := Load(&h, path, environ, overrides)
	return h, err
}

func TestLoad(t *testing.T) {
	h, err := open(t, "room: {width: 3}\nrooms: {hall: {room: {lights: [red]}}, attic: }\n", []string{"NIGHTSHIFT_ROOM_WIDTH=4", "NIGHTSHIFT_ROOM_CODE=hush"},
		map[string]string{"doors": "[{to: hall}]", "room.wait": "30m"})
	if err != nil {
		t.Fatal(err)
	}
	if hall := h.Rooms["hall"].Room; hall.Width != 4 || hall.Wait != 30*time.Minute || len(hall.Lights) != 1 || len(h.Rooms["attic"].Room.Lights) != 0 || h.Doors[0].To != "hall" {
		t.Errorf("%+v", h)
	}
	printed := YAML(h)
	if again, err := open(t, printed, nil, nil); err != nil || YAML(again) != strings.Replace(printed, "\"\" # set, not shown", "\"\"", 1) {
		t.Errorf("%v: printed\n%s\nloads to\n%s", err, printed, YAML(again))
	}
	if want := "rooms:\n  \"attic\": {}\n  \"hall\":\n    room:\n      lights: [\"red\"]\n"; !strings.Contains(printed, want) {
		t.Errorf("printed\n%s\nwant in it\n%s", printed, want)
	}
	values, err := json.Marshal(Values(h.Room))
	if want := `{"lights":null,"wait":"30m","width":4}`; err != nil || string(values) != want {
		t.Errorf("values %s, %v, want %s", values, err, want)
	}
}

// TestLaterWins: a map of sections that a flag brings replaces the file's, and builds on what all else has come to.
func TestLaterWins(t *testing.T) {
	h, err := open(t, "rooms: {hall: }\n", nil, map[string]string{"room.width": "5", "rooms": "{attic: {room: {wait: 1m}}}"})
	if err != nil || len(h.Rooms) != 1 || h.Rooms["attic"].Room.Width != 5 || h.Rooms["attic"].Room.Wait != time.Minute {
		t.Errorf("%+v, %v", h, err)
	}
}

func TestLoadRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"room: {widht: 3}":                        "house.yaml line 1: unknown key room.widht: did you mean room.width?",
		"room: {width: 0}":                        "configuration: room.width: want at least 1, not 0",
		"rooms: {hall: {room: {width: 10}}}":      "configuration: rooms.hall.room.width: want at most 9, not 10",
		"rooms: {hall: {room: {lights: [blue]}}}": "configuration: rooms.hall.room.lights[0]: want one of red, green",
		"doors: [{to: a}, {to: }]":                "configuration: doors[1].to: want a room",
		"Note: x":                                 "unknown key Note",
		"rooms: [hall]":                           "rooms: want a mapping of names",
		"room: {code: [x]}":                       "line 1: room.code: want a single value",
	} {
		if _, err := open(t, text, nil, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
