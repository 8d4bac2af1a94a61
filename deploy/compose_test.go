// Package deploy_test checks what is deployed, as far as that can be done without a container engine: compose.yaml, the
// Dockerfile and .env.example agree with each other and with the program's configuration.
package deploy_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"nightshift/internal/app"
)

type service struct {
	Image       string            `yaml:"image"`
	Build       string            `yaml:"build"`
	Command     []string          `yaml:"command"`
	Environment map[string]string `yaml:"environment"`
	Ports       []string          `yaml:"ports"`
	Volumes     []string          `yaml:"volumes"`
	HealthCheck struct {
		Test []string `yaml:"test"`
	} `yaml:"healthcheck"`
	DependsOn map[string]struct {
		Condition string `yaml:"condition"`
	} `yaml:"depends_on"`
}

type compose struct {
	Services map[string]service        `yaml:"services"`
	Volumes  map[string]map[string]any `yaml:"volumes"`
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile("../" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func load(t *testing.T) compose {
	t.Helper()
	var c compose
	if err := yaml.Unmarshal([]byte(read(t, "compose.yaml")), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// variable is ${NAME}, ${NAME:-default} or ${NAME:?message}.
var variable = regexp.MustCompile(`\$\{([A-Z_]+)(?::([-?])([^}]*))?\}`)

// interpolate does what compose does with a value.
func interpolate(value string, env map[string]string) string {
	return variable.ReplaceAllStringFunc(value, func(text string) string {
		m := variable.FindStringSubmatch(text)
		if set := env[m[1]]; set != "" || m[2] != "-" {
			return set
		}
		return m[3]
	})
}

func TestServices(t *testing.T) {
	c := load(t)
	if len(c.Services) != 3 {
		t.Errorf("%d services, want serve, update and redis", len(c.Services))
	}
	for _, name := range []string{"serve", "update"} {
		s, ok := c.Services[name]
		if !ok {
			t.Fatalf("service %s is missing", name)
		}
		if s.Build != "." || !slices.Equal(s.Command, []string{name}) {
			t.Errorf("service %s: build %q, command %q", name, s.Build, s.Command)
		}
		if s.DependsOn["redis"].Condition != "service_healthy" {
			t.Errorf("service %s does not wait for redis", name)
		}
		if want := []string{name + ":/data", "registry:/registry"}; !slices.Equal(s.Volumes, want) {
			t.Errorf("service %s: volumes %q, want %q: journals of two processes must not meet, the registry is shared", name, s.Volumes, want)
		}
		if len(s.HealthCheck.Test) < 3 || !slices.Equal(s.HealthCheck.Test[:3], []string{"CMD", "nightshift", "doctor"}) {
			t.Errorf("service %s: health check %q", name, s.HealthCheck.Test)
		}
	}
	for name, s := range c.Services {
		if s.Image == "" || strings.HasSuffix(s.Image, ":latest") {
			t.Errorf("service %s: image %q", name, s.Image)
		}
		for _, v := range s.Volumes {
			if volume, _, _ := strings.Cut(v, ":"); c.Volumes[volume] == nil {
				t.Errorf("service %s: volume %s is not declared", name, volume)
			}
		}
	}
	redis := c.Services["redis"]
	command := strings.Join(redis.Command, " ")
	if !strings.Contains(command, "--appendonly yes") || !strings.Contains(command, "--maxmemory-policy noeviction") {
		t.Errorf("redis would lose what it was given: %s", command)
	}
	if len(redis.HealthCheck.Test) == 0 || len(redis.Ports) != 0 {
		t.Errorf("redis: health check %q, ports %q", redis.HealthCheck.Test, redis.Ports)
	}
}

// TestConfiguration loads what the containers are given, as the program does at its start.
func TestConfiguration(t *testing.T) {
	env := map[string]string{"NIGHTSHIFT_ADMIN_KEY": "0123456789abcdef0123456789abcdef"}
	for name, s := range load(t).Services {
		if name == "redis" {
			continue
		}
		var environ []string
		for key, value := range s.Environment {
			environ = append(environ, key+"="+interpolate(value, env))
		}
		for key, value := range imageEnvironment(t) {
			environ = append(environ, key+"="+value)
		}
		c, err := app.LoadConfig("", environ, nil)
		if err != nil {
			t.Errorf("service %s: %v", name, err)
			continue
		}
		if len(c.Warnings) > 0 {
			t.Errorf("service %s: %q", name, c.Warnings)
		}
		if len(c.Keys) != 1 || !c.Keys[0].Matches(env["NIGHTSHIFT_ADMIN_KEY"]) || !slices.Contains(c.Keys[0].Roles, "admin") || len(c.Keys[0].Tracks) > 0 {
			t.Errorf("service %s: keys %v", name, c.Keys)
		}
		if c.Store.Kind != "redis" || !slices.Equal(c.Store.Redis.Addresses, []string{"redis:6379"}) || c.Data != "/data" || c.RegistryDir() != "/registry" {
			t.Errorf("service %s: store %s at %q, data %s, registry %s", name, c.Store.Kind, c.Store.Redis.Addresses, c.Data, c.RegistryDir())
		}
	}
}

// imageEnvironment is the ENV of the Dockerfile's last stage.
func imageEnvironment(t *testing.T) map[string]string {
	t.Helper()
	text := strings.ReplaceAll(read(t, "Dockerfile"), "\\\n", " ")
	env := map[string]string{}
	for line := range strings.Lines(text[strings.LastIndex(text, "\nFROM "):]) {
		if rest, ok := strings.CutPrefix(line, "ENV "); ok {
			for _, pair := range strings.Fields(rest) {
				key, value, _ := strings.Cut(pair, "=")
				env[key] = value
			}
		}
	}
	if env["NIGHTSHIFT_CACHE"] == "" {
		t.Error("the image does not say where its ONNX Runtime is")
	}
	return env
}

func TestRequiredVariables(t *testing.T) {
	text, example := read(t, "compose.yaml"), read(t, ".env.example")
	if !strings.Contains(text, "${NIGHTSHIFT_ADMIN_KEY:?") {
		t.Error("compose.yaml starts without an admin key")
	}
	for _, m := range variable.FindAllStringSubmatch(text, -1) {
		if !regexp.MustCompile(`(?m)^(# )?` + m[1] + `=`).MatchString(example) {
			t.Errorf(".env.example does not mention %s", m[1])
		}
	}
	if !regexp.MustCompile(`(?m)^NIGHTSHIFT_ADMIN_KEY=$`).MatchString(example) {
		t.Error(".env.example must leave the admin key empty: a key that is published is none")
	}
}

// TestImage compares the Dockerfile with the module and with what must stay out of an image.
func TestImage(t *testing.T) {
	file := read(t, "Dockerfile")
	version := regexp.MustCompile(`(?m)^go (\S+)$`).FindStringSubmatch(read(t, "go.mod"))
	if version == nil || !strings.Contains(file, "FROM golang:"+version[1]+"-") {
		t.Errorf("the Dockerfile does not build with the Go version of go.mod, %v", version)
	}
	final := file[strings.LastIndex(file, "\nFROM "):]
	for _, want := range []string{"\nUSER nightshift\n", "HEALTHCHECK", `ENTRYPOINT ["nightshift"]`} {
		if !strings.Contains(final, want) {
			t.Errorf("the image lacks %q", want)
		}
	}
	ignored := strings.Split(read(t, ".dockerignore"), "\n")
	for _, name := range []string{".git", ".env", "data"} {
		if !slices.Contains(ignored, name) {
			t.Errorf(".dockerignore lets %s into the image", name)
		}
	}
}
