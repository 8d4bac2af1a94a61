package quantize

import (
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/cpu"

	"nightshift/models/internal/atomicfile"
	"nightshift/models/safetensors"
)

// Unsigned says that int8 weights are best stored with 128 added on this machine. x86 processors without VNNI add two
// products of unsigned and signed bytes in 16 bits, which saturates; products of unsigned bytes are widened first. Either
// way the sums are exact, so that the answers are the same bits.
func Unsigned() bool {
	return runtime.GOARCH == "amd64" && !cpu.X86.HasAVX512VNNI && !cpu.X86.HasAVXVNNI
}

// flip writes the checkpoint to dir with its int8 linears in the other of the two forms.
func (c *Checkpoint) flip(dir string) error {
	f, err := safetensors.Open(filepath.Join(c.dir, FileName), safetensors.MaxCheckpointHeader)
	if err != nil {
		return err
	}
	defer f.Close()
	var tensors []safetensors.Raw
	for _, e := range f.Entries() {
		t := safetensors.Raw{Name: e.Name, Type: e.Type, Shape: e.Shape}
		mask := byte(0)
		if c.isBytes8(e) {
			t.Type, mask = safetensors.U8, 0x80
			if c.Unsigned() {
				t.Type = safetensors.I8
			}
		}
		t.Read = func(visit func([]byte) error) error { return masked(f.Reader(e), mask, visit) }
		tensors = append(tensors, t)
	}
	metadata := maps.Clone(c.metadata)
	metadata["unsigned"] = strconv.FormatBool(!c.Unsigned())
	err = atomicfile.Create(filepath.Join(dir, FileName), func(w io.Writer) error { return safetensors.WriteRaw(w, tensors, metadata) })
	if err != nil {
		return fmt.Errorf("rewrite quantised checkpoint %s for this processor: %w", c.dir, err)
	}
	return nil
}

// isBytes8 says whether a tensor is the weight of an int8 linear.
func (c *Checkpoint) isBytes8(e safetensors.Entry) bool {
	return e.Type.Size() == 1 && len(e.Shape) == 2 && e.Name != "wte.weight" && strings.HasSuffix(e.Name, ".weight")
}

// masked reads bytes and flips bits of each.
func masked(r io.Reader, mask byte, visit func([]byte) error) error {
	data := make([]byte, 1<<20)
	for {
		n, err := io.ReadFull(r, data)
		for i := range data[:n] {
			data[i] ^= mask
		}
		if n > 0 {
			if err := visit(data[:n]); err != nil {
				return err
			}
		}
		switch err {
		case nil:
		case io.EOF, io.ErrUnexpectedEOF:
			return nil
		default:
			return err
		}
	}
}
