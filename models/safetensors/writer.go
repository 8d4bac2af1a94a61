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

// Write writes tensors as F32, canonically: metadata first with its keys sorted, tensors in the order of their names,
// no spaces but those that pad the header to a multiple of 8 bytes.
func Write(w io.Writer, tensors []Tensor, metadata map[string]string) error {
	tensors = append([]Tensor(nil), tensors...)
	sort.Slice(tensors, func(i, j int) bool { return tensors[i].Name < tensors[j].Name })
	header, sizes, err := encodeHeader(tensors, metadata)
	if err != nil {
		return err
	}
	if _, err := w.Write(header); err != nil {
		return fmt.Errorf("write tensors: %w", err)
	}
	var raw []byte
	for i, t := range tensors {
		left := sizes[i]
		err := t.Read(func(values []float32) error {
			if left -= int64(len(values)); left < 0 {
				return fmt.Errorf("more values than shape %v holds", t.Shape)
			}
			for len(values) > 0 {
				n := min(len(values), chunkElements)
				raw = raw[:0]
				for _, v := range values[:n] {
					raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
				}
				if _, err := w.Write(raw); err != nil {
					return err
				}
				values = values[n:]
			}
			return nil
		})
		if err == nil && left != 0 {
			err = fmt.Errorf("%d values are missing for shape %v", left, t.Shape)
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

// encodeHeader returns the length prefix with the padded header, and the number of elements of each tensor.
func encodeHeader(tensors []Tensor, metadata map[string]string) ([]byte, []int64, error) {
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
		n := int64(1)
		dims := "["
		for j, d := range t.Shape {
			if d < 0 || d != 0 && n > math.MaxInt64/8/d {
				return nil, nil, fmt.Errorf("write tensor %s: bad shape %v", t.Name, t.Shape)
			}
			if j > 0 {
				dims += ","
			}
			dims += fmt.Sprint(d)
			n *= d
		}
		fmt.Fprintf(b, `%s:{"dtype":"F32","shape":%s],"data_offsets":[%d,%d]}`, name, dims, at, at+4*n)
		sizes[i] = n
		at += 4 * n
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
