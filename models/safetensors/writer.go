package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"sort"
)

// Tensor is a float32 tensor to write. Write calls Read once and hands the values on; Read may produce them in pieces, so
// that a large checkpoint never lies in memory as a whole.
type Tensor struct {
	Name  string
	Shape []int64
	Read  func(visit func([]float32) error) error
}

// Slice is a Tensor whose values are in memory.
func Slice(name string, shape []int64, values []float32) Tensor {
	return Tensor{Name: name, Shape: shape, Read: func(visit func([]float32) error) error { return visit(values) }}
}

// Raw is a tensor to write whose bytes are already as the file wants them: little-endian elements of Type. WriteRaw calls Read
// once; Read may produce the bytes in pieces.
type Raw struct {
	Name  string
	Type  DType
	Shape []int64
	Read  func(visit func([]byte) error) error
}

// Write writes tensors as F32, in the order of their names; see WriteRaw.
func Write(w io.Writer, tensors []Tensor, metadata map[string]string) error {
	raw := make([]Raw, len(tensors))
	for i, t := range tensors {
		raw[i] = t.Raw()
	}
	return WriteRaw(w, raw, metadata)
}

// Raw is the tensor as bytes of F32.
func (t Tensor) Raw() Raw {
	return Raw{Name: t.Name, Type: F32, Shape: t.Shape, Read: func(visit func([]byte) error) error {
		var raw []byte
		return t.Read(func(values []float32) error {
			for len(values) > 0 {
				n := min(len(values), chunkElements)
				raw = raw[:0]
				for _, v := range values[:n] {
					raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
				}
				if err := visit(raw); err != nil {
					return err
				}
				values = values[n:]
			}
			return nil
		})
	}}
}

// WriteRaw writes tensors canonically: metadata first with its keys sorted, tensors with wide elements before those with
// narrow ones, so that all are aligned, and then in the order of their names; no spaces but those that pad the header to a
// multiple of 8 bytes.
func WriteRaw(w io.Writer, tensors []Raw, metadata map[string]string) error {
	tensors = append([]Raw(nil), tensors...)
	sort.Slice(tensors, func(i, j int) bool {
		if a, b := tensors[i].Type.Size(), tensors[j].Type.Size(); a != b {
			return a > b
		}
		return tensors[i].Name < tensors[j].Name
	})
	header, sizes, err := encodeHeader(tensors, metadata)
	if err != nil {
		return err
	}
	if _, err := w.Write(header); err != nil {
		return fmt.Errorf("write tensors: %w", err)
	}
	for i, t := range tensors {
		left := sizes[i]
		err := t.Read(func(data []byte) error {
			if left -= int64(len(data)); left < 0 {
				return fmt.Errorf("more values than shape %v holds", t.Shape)
			}
			_, err := w.Write(data)
			return err
		})
		if err == nil && left != 0 {
			err = fmt.Errorf("%d values are missing for shape %v", left/t.Type.Size(), t.Shape)
		}
		if err != nil {
			return fmt.Errorf("write tensor %s: %w", t.Name, err)
		}
	}
	return nil
}

// Encode is Write into memory.
func Encode(tensors []Tensor, metadata map[string]string) ([]byte, error) {
	var b bytes.Buffer
	if err := Write(&b, tensors, metadata); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// encodeHeader returns the length prefix with the padded header, and the number of bytes of each tensor.
func encodeHeader(tensors []Raw, metadata map[string]string) ([]byte, []int64, error) {
	b := bytes.NewBuffer(make([]byte, 8))
	b.WriteByte('{')
	if len(metadata) > 0 {
		text, err := quote(metadata)
		if err != nil {
			return nil, nil, fmt.Errorf("write tensors: metadata: %w", err)
		}
		b.WriteString(`"__metadata__":` + text)
	}
	sizes := make([]int64, len(tensors))
	at := int64(0)
	for i, t := range tensors {
		if i > 0 && tensors[i-1].Name == t.Name {
			return nil, nil, fmt.Errorf("write tensors: %s appears twice", t.Name)
		}
		if t.Name == "__metadata__" {
			return nil, nil, fmt.Errorf("write tensors: __metadata__ is not a tensor's name")
		}
		if b.Len() > 9 {
			b.WriteByte(',')
		}
		name, err := quote(t.Name)
		if err != nil {
			return nil, nil, fmt.Errorf("write tensor %s: %w", t.Name, err)
		}
		n := t.Type.Size()
		if n == 0 {
			return nil, nil, fmt.Errorf("write tensor %s: unknown type %q", t.Name, t.Type)
		}
		dims := "["
		for j, d := range t.Shape {
			if d < 0 || d != 0 && n > math.MaxInt64/2/d {
				return nil, nil, fmt.Errorf("write tensor %s: bad shape %v", t.Name, t.Shape)
			}
			if j > 0 {
				dims += ","
			}
			dims += fmt.Sprint(d)
			n *= d
		}
		fmt.Fprintf(b, `%s:{"dtype":"%s","shape":%s],"data_offsets":[%d,%d]}`, name, t.Type, dims, at, at+n)
		sizes[i] = n
		at += n
	}
	b.WriteByte('}')
	for b.Len()%8 != 0 {
		b.WriteByte(' ')
	}
	binary.LittleEndian.PutUint64(b.Bytes(), uint64(b.Len()-8))
	return b.Bytes(), sizes, nil
}

// quote is json.Marshal without HTML escapes; map keys come out sorted.
func quote(v any) (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "", err
	}
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), nil
}
