// Package limit bounds what strangers take of a process: how many connections
// they hold at once (Pool, Listener), how often they ask (Rate), and how much they
// make it write into its log (Log). It must know neither who they are nor what
// they want: whoever listens says whose a connection is.
//
// Invariants:
//   - One that has its share costs nothing but the look at its name: no
//     goroutine, no line of a log, no descriptor that stays.
//   - What is refused is closed at once and without a word, so that nothing of it
//     remains in the kernel either.
//   - No loop spins, whatever the kernel is out of.
package limit
