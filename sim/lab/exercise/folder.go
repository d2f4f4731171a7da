package exercise

import (
	"fmt"
	"io/fs"

	"labsim/sim"
	"labsim/sim/lab/script"
	"labsim/sim/lab/source"
)

// Files of a lab's folder.
const (
	FileChecks  = "checks.yaml"
	FileCompose = "compose.yaml"
)

// Folder is a lab's folder, read: what is checked, and the guides.
type Folder struct {
	*Exercise
	Guides map[string]*Guide // by language
}

// Open reads a lab's folder. It returns all problems of its files; where one of
// them is Fatal, the lab can't be done.
func Open(dir fs.FS, name string) (*Folder, []source.Problem) {
	data, err := source.ReadFile(dir, FileChecks)
	if err != nil {
		return nil, []source.Problem{{File: name + "/" + FileChecks, Text: sim.T("the lab has no checks: %s", script.TextOf(err))}}
	}
	x, problems := Load(name, name+"/"+FileChecks, data)
	if x == nil {
		return nil, problems
	}
	f := &Folder{Exercise: x, Guides: map[string]*Guide{}}
	if _, err := fs.Stat(dir, FileCompose); err != nil && x.Finished && x.Compose == "" {
		problems = append(problems, source.Problem{File: name + "/" + FileCompose, Text: sim.T("the lab begins finished, and this file is missing")})
	}
	for _, lang := range languages {
		file := fmt.Sprintf("guide.%s.md", lang)
		ps := &source.Problems{File: name + "/" + file}
		if text, err := source.ReadFile(dir, file); err != nil {
			ps.Add(0, sim.T("the lab has no guide in %s: %s", lang, script.TextOf(err)))
		} else {
			g := ParseGuide(ps.File, string(text))
			x.lintGuide(g, ps)
			if first := f.Guides[languages[0]]; first != nil {
				lintSame(first, g, ps)
			}
			f.Guides[lang] = g
		}
		problems = append(problems, ps.Sorted()...)
	}
	if source.Fatal(problems) {
		return nil, problems
	}
	return f, problems
}
