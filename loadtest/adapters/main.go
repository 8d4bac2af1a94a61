// Command adapters writes two small adapters of random numbers for the model that ships, so that a load test has versions to
// swap between and needs no night for them. They fit the model and pass every check of an import; what they make it say is of no
// use. The same seed gives the same files.
package main

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"

	"nightshift/models/adapter"
	"nightshift/models/arch"
	"nightshift/models/demo"
)

// strength is the standard deviation of the numbers in B: large enough that the versions answer differently, small enough that
// they still answer in sentences.
const strength = 0.3

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: adapters DIR...")
		os.Exit(2)
	}
	for i, dir := range os.Args[1:] {
		if err := write(dir, uint64(i)+1); err != nil {
			fmt.Fprintln(os.Stderr, "adapters:", err)
			os.Exit(1)
		}
	}
}

// write makes the adapter of a seed and writes it into dir as PEFT does.
func write(dir string, seed uint64) error {
	data, err := fs.ReadFile(demo.FS(), "config.json")
	if err != nil {
		return fmt.Errorf("read the size of the model that ships: %w", err)
	}
	shape, err := arch.Parse(data)
	if err != nil {
		return fmt.Errorf("read the size of the model that ships: %w", err)
	}
	a, err := adapter.New(adapter.Config{Rank: 8, Alpha: 16, Modules: shape.FeedForward()}, shape, seed)
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // weights, not secrets
	for _, t := range a.Targets() {
		b := a.Factors[t].B
		for i := range b {
			b[i] = strength * float32(random.NormFloat64())
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write adapter %s: %w", dir, err)
	}
	return a.Write(dir)
}
