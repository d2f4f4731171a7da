package cli

import (
	"context"
	"slices"
	"strings"

	"labsim/sim"
	"labsim/sim/dataplane"
	"labsim/sim/ec2/wire"
)

// scope is what a command waits for: its own resources, and the site as a whole.
// What is left to do with others, and what is wrong with them, is not its
// business. nil is everything.
type scope struct {
	own   map[string]bool // by id: what is known of it
	names func(context.Context) ([]string, error)
}

// scopeOf is of resources that are known by their ids.
func scopeOf(ids ...string) *scope {
	s := &scope{own: map[string]bool{}}
	s.add(ids)
	return s
}

// labScope is a lab, with what it gets while its command is at work.
func (b *box) labScope(lab string) *scope {
	s := scopeOf()
	s.names = func(ctx context.Context) (ids []string, err error) {
		var out wire.DescribeTagsResult
		err = b.ec2.Do(ctx, "DescribeTags", &wire.DescribeTagsRequest{Filters: []wire.Filter{
			{Name: ptr("key"), Values: []string{sim.TagLab}}, {Name: ptr("value"), Values: []string{lab}},
		}}, &out)
		for _, t := range out.Tags {
			ids = append(ids, wire.Value(t.ResourceId))
		}
		return ids, err
	}
	return s
}

// standing is of the instances that stand now, with what they stand on.
func (b *box) standing(ctx context.Context) (*scope, error) {
	s := scopeOf()
	list, err := b.instances(ctx, nil)
	for _, i := range list {
		s.add(append(i.Volumes, i.ID, i.Subnet, i.VPC))
	}
	return s, err
}

// begin learns what there is now. What a command deletes is known by that.
func (s *scope) begin(ctx context.Context) error {
	ids, err := s.names(ctx)
	s.add(ids)
	return err
}

func (s *scope) add(ids []string) {
	for _, id := range ids {
		s.own[id] = true
	}
}

// narrow leaves of a status what concerns the scope.
func (s *scope) narrow(ctx context.Context, st boxStatus) (boxStatus, error) {
	if s == nil || st.Converged {
		return st, nil
	}
	if err := s.learn(ctx, st); err != nil {
		return st, err
	}
	st.Steps = slices.DeleteFunc(slices.Clone(st.Steps), func(x boxStep) bool { return s.foreign(x.Resource) })
	st.Problems = slices.DeleteFunc(slices.Clone(st.Problems), func(p dataplane.Problem) bool { return s.foreign(p.Resource) })
	st.Converged = st.Current && len(st.Steps) == 0 && len(st.Problems) == 0
	return st, nil
}

// learn asks whose the resources of a status are, where one is new.
func (s *scope) learn(ctx context.Context, st boxStatus) error {
	var fresh []string
	note := func(id string) {
		if _, known := s.own[id]; !known && isID(id) {
			fresh = append(fresh, id)
		}
	}
	for _, x := range st.Steps {
		note(x.Resource)
	}
	for _, p := range st.Problems {
		note(p.Resource)
	}
	if len(fresh) == 0 || s.names == nil {
		return nil
	}
	err := s.begin(ctx)
	for _, id := range fresh {
		if _, known := s.own[id]; !known {
			s.own[id] = false // a foreign one is asked for once
		}
	}
	return err
}

// foreign reports whether a resource is somebody else's. What is no id is the
// site's: the agent, the engine, the state.
func (s *scope) foreign(resource string) bool {
	return s != nil && isID(resource) && !s.own[resource]
}

func isID(s string) bool {
	_, hex, ok := strings.Cut(s, "-")
	return ok && hex != "" && strings.Trim(hex, "0123456789abcdef") == ""
}
