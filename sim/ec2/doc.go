// Package ec2 is the EC2 Query API: HTTP in front of a world, and the client
// that labsim's own commands use.
//
// It holds no rule of EC2's behaviour and no state: a handler turns a request
// into one call of sim/world, or a view of the world into an answer. A new
// operation is a line in wire/operations.txt, a line in the table of
// operations.go and one short function; a new Describe is a table of filters
// and a converter.
//
// What a request asks for is done or refused. A parameter that AWS has and
// labsim has not is refused with UnsupportedOperation, unless its value changes
// nothing.
package ec2
