package adapter

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack"
	"gonum.org/v1/gonum/lapack/lapack64"

	"nightshift/models/arch"
)

// Part is an adapter of a merge, and the factor by which what it adds counts; a negative one takes it away.
type Part struct {
	Adapter *Adapter
	Weight  float64
}

// Merge makes one adapter that adds Σ weight·addition of the parts: task arithmetic on low-rank changes (Ilharco et al. 2023,
// arXiv:2212.04089). Of cfg it takes rank, alpha and base model; modules and layers are those of the parts. What is added to each
// linear is the best approximation of that rank in the Frobenius norm (Eckart & Young 1936), and exact but for rounding to
// float32 where the rank is at least the sum's. Lost is the norm of what was cut off as a share of the whole, over all linears.
//
// The sum of products is one product of factors side by side, A = [A₁ A₂ …] and B = [w₁s₁B₁; w₂s₂B₂; …]. With A = Q_A·R_A and
// Bᵀ = Q_B·R_B it is Q_A·(R_A·R_Bᵀ)·Q_Bᵀ, and only the small matrix in the middle is decomposed: no matrix of the size of a
// weight is made. The merged A has orthonormal columns and B carries the singular values, largest first: what has none is
// zero in B, as in an adapter that begins, and can learn.
func Merge(cfg Config, parts ...Part) (merged *Adapter, lost float64, err error) {
	if len(parts) == 0 {
		return nil, 0, fmt.Errorf("merge adapters: none was given")
	}
	for i, p := range parts {
		if err := p.Adapter.Check(); err != nil {
			return nil, 0, fmt.Errorf("merge adapter %d: %w", i+1, err)
		}
		if math.IsNaN(p.Weight) || math.IsInf(p.Weight, 0) {
			return nil, 0, fmt.Errorf("merge adapter %d: its weight is %g", i+1, p.Weight)
		}
	}
	cfg.Modules, cfg.Layers = cover(parts)
	if err := cfg.check(); err != nil {
		return nil, 0, fmt.Errorf("merge adapters: %w", err)
	}
	merged = &Adapter{Config: cfg.canonical(), Factors: map[arch.Target]Factors{}}
	var cut, whole float64
	for _, t := range targets(parts) {
		a, b, err := sideBySide(t, parts)
		if err != nil {
			return nil, 0, fmt.Errorf("merge %s: %w", t, err)
		}
		f, values, err := truncate(a, b, cfg.Rank, cfg.Scale())
		if err != nil {
			return nil, 0, fmt.Errorf("merge %s: %w", t, err)
		}
		merged.Factors[t] = f
		for i, v := range values {
			whole += v * v
			if i >= cfg.Rank {
				cut += v * v
			}
		}
	}
	if whole > 0 {
		lost = math.Sqrt(cut / whole)
	}
	if err := merged.Check(); err != nil {
		return nil, 0, fmt.Errorf("merge adapters: %w", err)
	}
	return merged, lost, nil
}

// cover lists the modules and layers that some part adapts; layers is nil if every part adapts all.
func cover(parts []Part) (modules []string, layers []int) {
	all := true
	for _, p := range parts {
		for _, m := range p.Adapter.Config.Modules {
			if !slices.Contains(modules, m) {
				modules = append(modules, m)
			}
		}
		all = all && p.Adapter.Config.Layers == nil
	}
	if all {
		return modules, nil
	}
	for _, t := range targets(parts) {
		if !slices.Contains(layers, t.Layer) {
			layers = append(layers, t.Layer)
		}
	}
	return modules, layers
}

// targets lists the linears that some part adapts.
func targets(parts []Part) []arch.Target {
	var list []arch.Target
	for _, p := range parts {
		for t := range p.Adapter.Factors {
			if !slices.Contains(list, t) {
				list = append(list, t)
			}
		}
	}
	slices.SortFunc(list, arch.Compare)
	return list
}

// sideBySide puts the factors of all parts for one linear beside each other: A [in,R] and Bᵀ [out,R], with scales and weights in B.
func sideBySide(t arch.Target, parts []Part) (a, b blas64.General, err error) {
	in, out, rank := 0, 0, 0
	for i, p := range parts {
		if _, ok := p.Adapter.Factors[t]; !ok {
			continue
		}
		n, m := p.Adapter.Dims(t)
		if rank > 0 && (n != in || m != out) {
			return a, b, fmt.Errorf("in adapter %d it is [%d, %d], in another one [%d, %d]", i+1, n, m, in, out)
		}
		in, out, rank = n, m, rank+p.Adapter.Config.Rank
	}
	a, b = matrix(in, rank), matrix(out, rank)
	at := 0
	for _, p := range parts {
		f, ok := p.Adapter.Factors[t]
		if !ok {
			continue
		}
		r, scale := p.Adapter.Config.Rank, p.Weight*p.Adapter.Config.Scale()
		for i, v := range f.A {
			a.Data[i/r*rank+at+i%r] = float64(v)
		}
		for i, v := range f.B {
			b.Data[i%out*rank+at+i/out] = scale * float64(v)
		}
		at += r
	}
	return a, b, nil
}

func matrix(rows, columns int) blas64.General {
	return blas64.General{Rows: rows, Cols: columns, Stride: max(1, columns), Data: make([]float64, rows*columns)}
}

// truncate returns factors of the given rank whose product times scale is nearest to a·bᵀ, and all singular values of that.
func truncate(a, b blas64.General, rank int, scale float64) (Factors, []float64, error) {
	in, out := a.Rows, b.Rows
	qa, ra := orthogonalize(a)
	qb, rb := orthogonalize(b)
	core := matrix(ra.Rows, rb.Rows)
	blas64.Gemm(blas.NoTrans, blas.Trans, 1, ra, rb, 0, core)
	n := min(core.Rows, core.Cols)
	u, vt, values := matrix(core.Rows, n), matrix(n, core.Cols), make([]float64, n)
	size := make([]float64, 1)
	lapack64.Gesvd(lapack.SVDStore, lapack.SVDStore, core, u, vt, values, size, -1)
	if !lapack64.Gesvd(lapack.SVDStore, lapack.SVDStore, core, u, vt, values, make([]float64, int(size[0])), int(size[0])) {
		return Factors{}, nil, fmt.Errorf("the singular value decomposition of a [%d, %d] matrix did not converge", core.Rows, core.Cols)
	}
	left, right := matrix(in, n), matrix(n, out)
	blas64.Gemm(blas.NoTrans, blas.NoTrans, 1, qa, u, 0, left)
	blas64.Gemm(blas.NoTrans, blas.Trans, 1, vt, qb, 0, right)
	f := Factors{A: make([]float32, in*rank), B: make([]float32, rank*out)}
	for k := range min(rank, n) {
		for i := range in {
			f.A[i*rank+k] = float32(left.Data[i*n+k])
		}
		for j := range out {
			f.B[k*out+j] = float32(values[k] / scale * right.Data[k*out+j])
		}
	}
	return f, values, nil
}

// orthogonalize is the thin QR decomposition: m [n,R] is q [n,k] times r [k,R] with k = min(n,R). m is overwritten.
func orthogonalize(m blas64.General) (q, r blas64.General) {
	k := min(m.Rows, m.Cols)
	tau, size := make([]float64, k), make([]float64, 1)
	lapack64.Geqrf(m, tau, size, -1)
	lapack64.Geqrf(m, tau, make([]float64, int(size[0])), int(size[0]))
	q, r = matrix(m.Rows, k), matrix(k, m.Cols)
	for i := range m.Rows {
		copy(q.Data[i*q.Stride:][:k], m.Data[i*m.Stride:][:k])
		if i < k {
			copy(r.Data[i*r.Stride+i:(i+1)*r.Stride], m.Data[i*m.Stride+i:(i+1)*m.Stride])
		}
	}
	lapack64.Orgqr(q, tau, size, -1)
	lapack64.Orgqr(q, tau, make([]float64, int(size[0])), int(size[0]))
	return q, r
}
