// Package wire is the form of the EC2 Query API: its shapes as Go structs, named
// as in the API, and the codec that turns them into query parameters and XML and
// back. Server and client use the same.
//
// It knows nothing of a world. The structs are generated from model.json, which
// is pruned from botocore's model of EC2 (see internal/gen). A new operation is
// a line in operations.txt, a re-pruning, and a handler in sim/ec2.
//
// What a request or an answer may lack is a pointer, or a nil slice; an empty
// slice that isn't nil is an element without content.
package wire

//go:generate go run ./internal/gen
