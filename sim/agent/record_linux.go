package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"log"
	"maps"
	"os"
	"slices"
	"sync"

	"labsim/sim"
	"labsim/sim/dataplane"
	"labsim/sim/ebs"
)

// record is what the hooks have to know after a restart: Docker tells it once.
type record struct {
	Networks  map[string]sim.SubnetID // by Docker's network id
	Endpoints map[string]endpoint     // by Docker's endpoint id
	Volumes   map[string]volume       // by Docker's volume name
	// Lost says that there was more on a record that is gone.
	Lost bool `json:",omitempty"`
}

// endpoint is Docker's word for an interface of a container.
type endpoint struct {
	ENI sim.ENIID
	// Sandbox is the path of the container's network namespace while the
	// endpoint is joined.
	Sandbox string `json:",omitempty"`
}

// volume is what stands behind a name of Docker's.
type volume struct {
	ID    sim.VolumeID `json:",omitempty"`
	Guest bool         `json:",omitempty"` // the volume with PID 1
	// Users are Docker's ids of the mounts that it asked for.
	Users []string `json:",omitempty"`
}

func (v volume) String() string {
	if v.Guest {
		return "labsim's guest files"
	}
	return string(v.ID)
}

// join makes id the endpoint that holds its interface.
func (r *record) join(id, sandbox string) {
	e, ok := r.Endpoints[id]
	if !ok {
		return
	}
	for other, o := range r.Endpoints {
		if o.ENI == e.ENI {
			o.Sandbox = ""
			r.Endpoints[other] = o
		}
	}
	e.Sandbox = sandbox
	r.Endpoints[id] = e
}

func (r *record) leave(id string) {
	if e, ok := r.Endpoints[id]; ok {
		e.Sandbox = ""
		r.Endpoints[id] = e
	}
}

func (r *record) use(name, user string) {
	v, ok := r.Volumes[name]
	if ok && !slices.Contains(v.Users, user) {
		v.Users = append(slices.Clone(v.Users), user)
		r.Volumes[name] = v
	}
}

// unuse returns how many users are left.
func (r *record) unuse(name, user string) int {
	v, ok := r.Volumes[name]
	if !ok {
		return 0
	}
	v.Users = slices.DeleteFunc(slices.Clone(v.Users), func(u string) bool { return u == user || u == unknownUser })
	r.Volumes[name] = v
	return len(v.Users)
}

func (r record) clone() record {
	return record{maps.Clone(r.Networks), maps.Clone(r.Endpoints), maps.Clone(r.Volumes), r.Lost}
}

// adopt takes over what Docker has told an agent before this one, and control
// has asked it again.
func (r *record) adopt(e *dataplane.Engine, guest string) {
	for _, x := range e.Endpoints {
		if _, ok := r.Endpoints[x.ID]; !ok {
			r.Endpoints[x.ID] = endpoint{ENI: x.ENI}
			r.join(x.ID, x.Sandbox)
		}
	}
	for name, id := range e.Volumes {
		if _, ok := r.Volumes[name]; !ok {
			r.Volumes[name] = volume{ID: id, Users: []string{unknownUser}}
		}
	}
	if _, ok := r.Volumes[guest]; !ok {
		r.Volumes[guest] = volume{Guest: true}
	}
	r.Lost = false
}

// unknownUser stands for the one container that has a volume, by an id of which
// there is no record any more.
const unknownUser = "unknown"

func (r *record) fill() {
	if r.Networks == nil {
		r.Networks = map[string]sim.SubnetID{}
	}
	if r.Endpoints == nil {
		r.Endpoints = map[string]endpoint{}
	}
	if r.Volumes == nil {
		r.Volumes = map[string]volume{}
	}
}

// records is the record and its file. Readers see what is on disk.
type records struct {
	path    string
	writing sync.Mutex // one update at a time

	mu  sync.RWMutex // never held across I/O
	now record
}

// openRecords reads the file. One that can't be read is put aside, and there may be
// none where there was to be one: then what it said is lost, until control tells it.
func openRecords(path string, expected bool) *records {
	s := &records{path: path}
	_, err := os.Lstat(path)
	lost := err != nil && expected
	if err := readJSON(path, &s.now); err != nil {
		log.Printf("starting without a record: %v", err)
		s.now, lost = record{}, expected
	}
	s.now.Lost = s.now.Lost || lost
	s.now.fill()
	return s
}

// update changes the record by f, durably, before it returns.
func (s *records) update(f func(*record)) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.RLock()
	next := s.now.clone()
	s.mu.RUnlock()
	before, err := json.Marshal(next)
	if err != nil {
		return err
	}
	f(&next)
	after, err := json.MarshalIndent(next, "", "\t")
	if err != nil {
		return err
	}
	if compact, err := json.Marshal(next); err == nil && string(compact) == string(before) {
		return nil
	}
	if err := ebs.WriteFile(s.path, after, 0o600); err != nil {
		return err
	}
	s.mu.Lock()
	s.now = next
	s.mu.Unlock()
	return nil
}

func (s *records) lost() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.now.Lost
}

func (s *records) network(id string) (sim.SubnetID, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	sub, ok := s.now.Networks[id]
	return sub, ok
}

func (s *records) endpoint(id string) (endpoint, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	e, ok := s.now.Endpoints[id]
	return e, ok
}

func (s *records) volume(name string) (volume, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	v, ok := s.now.Volumes[name]
	return v, ok
}

func (s *records) volumes() map[string]volume {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return maps.Clone(s.now.Volumes)
}

// joined returns the interfaces that containers hold, with their sandboxes.
func (s *records) joined() map[sim.ENIID]string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := map[sim.ENIID]string{}
	for _, e := range s.now.Endpoints {
		if e.Sandbox != "" {
			out[e.ENI] = e.Sandbox
		}
	}
	return out
}

// readJSON reads a file into v. No file leaves v as it is; a damaged one is
// renamed, so that it can be looked at, and an error returned.
func readJSON(path string, v any) error {
	return readAs(path, func(b []byte) error { return json.Unmarshal(b, v) })
}

// readConfig is readJSON for a config. That of a newer agent is taken for damaged:
// without a config nothing is let through that was not before.
func readConfig(path string, c *dataplane.Config) error {
	return readAs(path, func(b []byte) error { return dataplane.Decode(bytes.NewReader(b), c) })
}

func readAs(path string, decode func([]byte) error) error {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = decode(b)
	}
	if err == nil {
		return nil
	}
	return errors.Join(err, os.RemoveAll(path+".damaged"), os.Rename(path, path+".damaged"))
}
