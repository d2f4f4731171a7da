// Package standing keeps a Unix socket where it was made. Whoever cleans up a
// directory of sockets takes the names of those that are in use too: nobody can
// connect any more, and the process that listens is not told. A standing one sees
// it and is made again at once; what is connected stays connected.
//
// It must know nothing of what goes over the connections.
package standing
