// Command labsim-bench measures labsim against Docker and Compose, side by side
// in one run, and says which of labsim's aims are met.
//
// It is for developers, and speaks English only. It uses what a user has: labsim's
// command line, the EC2 API, and the engine's own API for the other side. It
// imports nothing of labsim but the client of the EC2 API.
//
// What is compared is measured in turn, in pairs whose order changes from one to
// the next, so that a machine that gets slower or busier does so for both. A
// ratio is the median of ours over the median of theirs; its range is that of
// the pairs. Absolute times belong to the machine, ratios less so.
//
// Everything it makes carries its site's name or the label labsim-bench=SITE, and
// goes at the end; what a killed run has left goes at the start of the next.
package main
