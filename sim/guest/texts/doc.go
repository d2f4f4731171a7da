// Package texts has the applets about text: cat, grep, sed, awk, sort, head,
// tail, tr, printf, an editor and a pager.
package texts
