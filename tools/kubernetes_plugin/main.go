// The official Kubernetes plugin of Pulumi, which no Go module holds as a command: its own Serve, with its own two documents.
package main

import (
	_ "embed"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
)

//go:embed schema.json
var schema []byte

//go:embed terraform-mapping.json
var mapping []byte

var version string

func main() {
	provider.Serve("kubernetes", version, schema, mapping)
}
