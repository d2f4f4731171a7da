// Package files has the applets about files and disks: ls, cp, mv, rm, find,
// tar, stat, df, test, and their kin.
package files
