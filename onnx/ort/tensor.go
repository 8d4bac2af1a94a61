package ort

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync/atomic"
	"unsafe"

	rt "github.com/yalue/onnxruntime_go"
)

// A Tensor is memory of the caller's with a shape, as the runtime sees it. Its methods may be called from many
// goroutines; the memory is the caller's to guard.
type Tensor struct {
	dims  []int64
	dtype DType
	hold  *hold
}

// hold is the C object behind a tensor together with the memory that it points to. Its owners are the tensor, each
// binding that has it bound and each run in progress; the last one to let go releases it.
type hold struct {
	refs   atomic.Int64
	closed atomic.Bool // the tensor has let go
	value  rt.Value
	data   any // []T, the caller's slice
	pin    runtime.Pinner
}

// retain adds an owner, unless the tensor is closed.
func (h *hold) retain() bool {
	for !h.closed.Load() {
		n := h.refs.Load()
		if n == 0 {
			return false
		}
		if h.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
	return false
}

func (h *hold) release() {
	if h.refs.Add(-1) > 0 {
		return
	}
	h.value.Destroy()
	h.pin.Unpin()
}

// close is the tensor's own letting go: by Close or, forgotten, by the garbage collector.
func (h *hold) close() {
	if h.closed.CompareAndSwap(false, true) {
		h.release()
	}
}

// NewTensor makes a tensor of shape dims over data, which stays the caller's: nothing is copied, and what either side
// writes the other sees. data may be part of a longer slice, and several tensors may share memory. Its length must be
// the product of dims; there must be at least one dimension; a dimension may be 0. Memory from [AlignedFloats] must not
// be freed before the tensor is closed and unbound.
//
// The environment must be open.
func NewTensor[T Element](dims []int64, data []T) (*Tensor, error) {
	n, err := elements(dims)
	if err != nil {
		return nil, fmt.Errorf("make tensor of shape %v: %w", dims, err)
	}
	if n != int64(len(data)) {
		return nil, fmt.Errorf("make tensor of shape %v: it has %d elements, the slice has %d", dims, n, len(data))
	}
	h := &hold{data: data}
	if n > 0 {
		h.pin.Pin(unsafe.SliceData(data))
	}
	value, err := rt.NewTensor(rt.Shape(dims), data)
	if err != nil {
		h.pin.Unpin()
		return nil, fmt.Errorf("make tensor of shape %v: %w", dims, notOpen(err))
	}
	h.value = value
	return newTensor(dims, dtypeOf[T](), h), nil
}

func newTensor(dims []int64, dtype DType, h *hold) *Tensor {
	h.refs.Store(1)
	t := &Tensor{dims: slices.Clone(dims), dtype: dtype, hold: h}
	runtime.AddCleanup(t, (*hold).close, h)
	return t
}

// adopt makes a tensor of one that the bindings allocated, in Go memory, for an output.
func adopt(value rt.Value) (*Tensor, error) {
	switch v := value.(type) {
	case *rt.Tensor[float32]:
		return adoptTyped(v), nil
	case *rt.Tensor[float64]:
		return adoptTyped(v), nil
	case *rt.Tensor[int64]:
		return adoptTyped(v), nil
	case *rt.Tensor[int32]:
		return adoptTyped(v), nil
	case *rt.Tensor[int8]:
		return adoptTyped(v), nil
	case *rt.Tensor[uint8]:
		return adoptTyped(v), nil
	case *rt.Tensor[bool]:
		return adoptTyped(v), nil
	}
	return nil, fmt.Errorf("its type (%v, element type %d) cannot be read: cast it in the model",
		value.GetONNXType(), value.DataType())
}

func adoptTyped[T Element](v *rt.Tensor[T]) *Tensor {
	h := &hold{value: v, data: v.GetData()}
	if data := v.GetData(); len(data) > 0 {
		h.pin.Pin(unsafe.SliceData(data))
	}
	return newTensor(v.GetShape(), dtypeOf[T](), h)
}

// elements is the product of dims.
func elements(dims []int64) (int64, error) {
	if len(dims) == 0 {
		return 0, errors.New("a tensor needs at least one dimension: use the shape [1]")
	}
	n := int64(1)
	for _, d := range dims {
		if d < 0 {
			return 0, fmt.Errorf("dimension %d is negative", d)
		}
		if d > 0 && n > math.MaxInt64/d {
			return 0, errors.New("the number of elements overflows")
		}
		n *= d
	}
	return n, nil
}

// Data returns the memory of t, or nil once t is closed. It panics when T is not the type that t was made with, as a
// type assertion would.
func Data[T Element](t *Tensor) []T {
	if t.hold.closed.Load() {
		return nil
	}
	data, ok := t.hold.data.([]T)
	if !ok {
		panic(fmt.Sprintf("ort: a tensor of %v read as %v", t.dtype, dtypeOf[T]()))
	}
	return data
}

// Dims returns a copy of the shape.
func (t *Tensor) Dims() []int64 { return slices.Clone(t.dims) }

// Type returns the type of the elements.
func (t *Tensor) Type() DType { return t.dtype }

// Close gives the C object back. A binding that has t bound, or a run in progress, keeps it until it lets go itself.
func (t *Tensor) Close() { t.hold.close() }
