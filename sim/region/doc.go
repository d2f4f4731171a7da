// Package region is a client's view of a region: what stands in it, which table serves
// a subnet, what is public, what has to go before what. It knows the EC2 API and
// nothing else, so that labs, exercises, pictures and a console see the same.
//
// A Region is a snapshot and never changes.
package region
