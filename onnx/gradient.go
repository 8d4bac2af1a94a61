package onnx

// backward is one node while its gradient rule runs.
type backward struct {
	g *Graph
	n *Node
}
