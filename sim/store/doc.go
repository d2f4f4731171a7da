// Package store keeps the rows of a world in one bbolt file: a bucket per table,
// a key per row. It knows nothing of what the rows mean.
//
// Invariants: Commit returns after the rows are on disk, all of them or none. A
// file of an older format is migrated, with a copy of it kept beside; a file of
// a newer format, or one that is not labsim's, is refused and not touched.
package store
