// Package exercise is a lab that somebody does by hand: steps, each with checks,
// hints and solutions, read from a lab's checks.yaml, and the guide beside it.
//
// A check looks at what the API describes and at packets, never at what was
// typed. What the learner made may be called anything and have any address: a
// lab names roles (the public subnet, the web server), and of all ways to cast
// them the one counts in which the most checks pass.
//
// The package reaches the region through two interfaces and knows neither
// Docker nor the command line.
package exercise
