package bench

import (
	"errors"
	"fmt"
	"sync"
	"time"
	"unsafe"

	"nightshift/internal/stats"
	"nightshift/onnx"
	"nightshift/onnx/ort"
)

// Machine measures the limits of the machine with a number of threads, again and again over the same memory. One goroutine
// may use it at a time.
type Machine struct {
	threads  int
	data     []float32 // far beyond any cache
	sessions []*ort.Session
	readers  []work
	float    work
	int8     []work
}

// work is something that can be done again and again.
type work struct {
	name string
	run  func() error
}

// seconds is the median time of some passes: what is held against it is no single lucky step either.
func (w work) seconds(passes int) (float64, error) {
	times := make([]float64, passes)
	for i := range times {
		begin := time.Now()
		if err := w.run(); err != nil {
			return 0, fmt.Errorf("measure the machine: %s: %w", w.name, err)
		}
		times[i] = time.Since(begin).Seconds()
	}
	return stats.Median(times), nil
}

const (
	dataRows    = 4096 // the data as a matrix: 285 MB
	dataColumns = 17408
	productSize = 2048 // rows and columns of the matrices that are multiplied
)

// NewMachine prepares to read memory; products are prepared when they are first asked for. Close gives the memory back.
func NewMachine(threads int) (*Machine, error) {
	m := &Machine{threads: threads, data: ort.AlignedFloats(dataRows * dataColumns)}
	for i := range m.data {
		m.data[i] = float32(i%7) - 3
	}
	if err := m.prepare(); err != nil {
		return nil, errors.Join(fmt.Errorf("prepare to measure the machine: %w", err), m.Close())
	}
	return m, nil
}

func (m *Machine) prepare() error {
	data := func(g *onnx.Graph) *onnx.Value {
		return g.Input("data", onnx.Float, onnx.N(dataRows), onnx.N(dataColumns))
	}
	dims := []int64{dataRows, dataColumns}

	// One row times the matrix is what decoding one sequence does, weight by weight.
	g := onnx.NewGraph("matvec")
	g.Output("y", g.MatMul(g.Input("x", onnx.Float, onnx.N(1), onnx.N(dataRows)), data(g)))
	b, err := m.open(g)
	if err != nil {
		return err
	}
	err = errors.Join(bind(b.Input, "data", dims, m.data), bind(b.Input, "x", []int64{1, dataRows}, make([]float32, dataRows)),
		bind(b.Output, "y", []int64{1, dataColumns}, make([]float32, dataColumns)))
	if err != nil {
		return err
	}
	m.readers = []work{{"matvec", b.Run}, {"go", m.readGo}}

	g = onnx.NewGraph("sum")
	g.Output("y", g.ReduceSum(data(g), false, 1))
	if b, err = m.open(g); err != nil {
		return err
	}
	m.readers = append(m.readers, work{"reduce", b.Run})
	if err := errors.Join(bind(b.Input, "data", dims, m.data), bind(b.Output, "y", dims[:1], make([]float32, dataRows))); err != nil {
		return err
	}
	return nil
}

// floatProduct multiplies two square matrices, the second of which is a constant of the graph, as weights are.
func (m *Machine) floatProduct() error {
	const n = productSize
	values := make([]float32, n*n)
	for i := range values {
		values[i] = float32(i%7) - 3
	}
	dims := []int64{n, n}
	g := onnx.NewGraph("matrix")
	g.Output("c", g.MatMul(g.Input("a", onnx.Float, onnx.N(n), onnx.N(n)), g.Initializer("b", onnx.Floats(dims, values...))))
	b, err := m.open(g)
	if err != nil {
		return err
	}
	m.float = work{"f32", b.Run}
	return errors.Join(bind(b.Input, "a", dims, values), bind(b.Output, "c", dims, make([]float32, n*n)))
}

// int8Product is floatProduct for bytes: unsigned ones around 128, times weights of the given type and zero point.
func (m *Machine) int8Product(name string, weights onnx.DType, zero byte) error {
	const n = productSize
	values := make([]byte, n*n)
	for i := range values {
		values[i] = byte(i % 101)
	}
	dims := []int64{n, n}
	g := onnx.NewGraph(name)
	g.Output("c", g.Op("MatMulInteger", []*onnx.Value{g.Input("a", onnx.Uint8, onnx.N(n), onnx.N(n)), g.Initializer("b", onnx.Bytes(weights, dims, values...)),
		g.Const(onnx.Bytes(onnx.Uint8, nil, 128)), g.Const(onnx.Bytes(weights, nil, zero))}))
	b, err := m.open(g)
	if err != nil {
		return err
	}
	m.int8 = append(m.int8, work{name, b.Run})
	return errors.Join(bind(b.Input, "a", dims, values), bind(b.Output, "c", dims, make([]int32, n*n)))
}

// open makes a session of a graph.
func (m *Machine) open(g *onnx.Graph) (*ort.Binding, error) {
	encoded, err := g.Encode()
	if err != nil {
		return nil, err
	}
	s, err := ort.NewSession(encoded, ort.SessionConfig{Threads: m.threads, Spin: true})
	if err != nil {
		return nil, err
	}
	m.sessions = append(m.sessions, s)
	return s.NewBinding()
}

// bind binds values, which the binding keeps.
func bind[T ort.Element](to func(string, *ort.Tensor) error, name string, dims []int64, values []T) error {
	t, err := ort.NewTensor(dims, values)
	if err != nil {
		return err
	}
	defer t.Close()
	return to(name, t)
}

// readGo adds up every 8 bytes of the data, in Go.
func (m *Machine) readGo() error {
	words := unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(m.data))), len(m.data)/2)
	part := len(words) / m.threads
	sums := make([]uint64, 16*m.threads) // each in a cache line of its own
	var wg sync.WaitGroup
	for t := range m.threads {
		wg.Go(func() { sums[16*t] = addUp(words[t*part : (t+1)*part]) })
	}
	wg.Wait()
	return nil
}

// addUp keeps eight sums, so that additions do not wait for each other and memory is the limit.
func addUp(words []uint64) uint64 {
	var a, b, c, d, e, f, g, h uint64
	for len(words) >= 8 {
		w := words[:8:8]
		a, b, c, d = a+w[0], b+w[1], c+w[2], d+w[3]
		e, f, g, h = e+w[4], f+w[5], g+w[6], h+w[7]
		words = words[8:]
	}
	return a + b + c + d + e + f + g + h
}

// Bandwidths reads the data in each of the ways and returns the median pass of each in GB/s (10⁹ bytes); first, as
// bandwidth_gb_s, that of the best way.
func (m *Machine) Bandwidths(passes int) ([]Number, error) {
	list := []Number{{Name: "bandwidth_gb_s"}}
	for _, r := range m.readers {
		took, err := r.seconds(passes)
		if err != nil {
			return nil, err
		}
		rate := 4 * dataRows * dataColumns / took / 1e9
		list = append(list, Number{"bandwidth_" + r.name + "_gb_s", rate})
		list[0].Value = max(list[0].Value, rate)
	}
	return list, nil
}

const productWork = 2 * productSize * productSize * productSize / 1e9

// MatrixRate is the median of a few products of two 2048×2048 float32 matrices, in GFLOP/s.
func (m *Machine) MatrixRate(passes int) (float64, error) {
	if m.float.run == nil {
		if err := m.floatProduct(); err != nil {
			return 0, fmt.Errorf("prepare to measure the machine: %w", err)
		}
	}
	took, err := m.float.seconds(passes)
	return productWork / took, err
}

// Int8Rates are those of MatMulInteger, of unsigned bytes with unsigned and with signed weights, in 10⁹ operations a second;
// first, as int8_gop_s, the better of both.
func (m *Machine) Int8Rates(passes int) ([]Number, error) {
	if m.int8 == nil {
		if err := errors.Join(m.int8Product("u8u8", onnx.Uint8, 128), m.int8Product("u8s8", onnx.Int8, 0)); err != nil {
			return nil, fmt.Errorf("prepare to measure the machine: %w", err)
		}
	}
	list := []Number{{Name: "int8_gop_s"}}
	for _, p := range m.int8 {
		took, err := p.seconds(passes)
		if err != nil {
			return nil, err
		}
		list = append(list, Number{"int8_" + p.name + "_gop_s", productWork / took})
		list[0].Value = max(list[0].Value, productWork/took)
	}
	return list, nil
}

// Close frees sessions and memory.
func (m *Machine) Close() error {
	for _, s := range m.sessions {
		s.Close()
	}
	return ort.FreeFloats(m.data)
}
