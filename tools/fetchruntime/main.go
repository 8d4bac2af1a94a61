// Command fetchruntime puts ONNX Runtime into the cache as the program would at its first start, so that an image or an
// installation without network has it. The cache is NIGHTSHIFT_CACHE, else nightshift in the user's cache folder.
package main

import (
	"context"
	"fmt"
	"os"

	"nightshift/onnx/ort"
)

func main() {
	library, err := ort.Find(context.Background(), ort.FindOptions{Download: true, Progress: os.Stderr})
	if err != nil {
		fmt.Fprintln(os.Stderr, "fetchruntime:", err)
		os.Exit(1)
	}
	fmt.Printf("ONNX Runtime %s at %s\n", library.Version, library.Path)
}
