// Package ort runs ONNX models with the stock ONNX Runtime CPU library. It finds (or fetches) the shared library, opens
// the process-wide environment once, and wraps sessions, tensors and I/O bindings so that every C object is freed
// exactly once. It is the only package that imports the C bindings.
//
// Invariants:
//
//   - A [Tensor] is a view of memory that its caller owns, never a copy. The memory is pinned and kept reachable until
//     the tensor is closed and no [Binding] holds it any more.
//   - Close is idempotent everywhere, and safe while something else still uses the object: the C side is released with
//     the last user. Closing a [Session] waits for its running calls and closes its bindings.
//   - [SharedWeights] outlive their sessions: closing them earlier is refused.
//   - A [Session] may be run from many goroutines; a [Binding] runs one call at a time.
//   - A library that was fetched is used only when its checksum is the committed one.
//
// Limits, of the runtime and of its bindings:
//
//   - Creating and closing sessions again and again leaks memory inside the runtime (microsoft/onnxruntime#26831): keep
//     one session for the life of a process, or do the work in a child process.
//   - A bound run takes no run options and cannot be interrupted: cancel between steps.
//   - Tensors need at least one dimension. A 0-dimensional output cannot be read back; give such outputs the shape [1].
//   - The runtime refuses external data outside the session's folder, also when only a symbolic link leads outside.
//
// It is not a graph library: models come from package onnx as bytes.
package ort
