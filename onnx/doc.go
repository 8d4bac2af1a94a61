// Package onnx is a small intermediate representation of ONNX graphs: it builds them, infers and checks their shapes,
// differentiates them, prints them and encodes them as ONNX protobuf.
//
// A [Graph] is built front to back. Every [Graph.Op] looks its operator up in one table (arity, domain, element types,
// shape rule, gradient rule) and runs the shape rule at once, so a mistake is reported at the line that made it, with the
// node and the shapes. The error is sticky: building goes on with placeholders and [Graph.Err] tells the first mistake.
//
// # Invariants
//
//   - Nodes are in topological order, because a value exists only once its node was appended.
//   - Value names are unique in a graph.
//   - The same calls give the same names, the same print form and the same bytes.
//   - A symbolic dimension is never broadcast: "B" against 1 is "B", "B" against "B" is "B", and "B" against "S" is an error.
//     This is what lets [Graph.Gradient] know which dimensions to sum over. Names that begin with "?" were made up for
//     dimensions that could not be derived; they agree with everything.
//
// # Not here
//
// Nothing in this package runs a graph (see onnx/ort for that, and onnx/eval for the slow reference of the tests), reads
// ONNX files, or knows a model. Control flow, sequences and sparse tensors do not exist.
package onnx
