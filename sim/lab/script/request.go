package script

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"labsim/sim"
	"labsim/sim/ec2/wire"
)

// request fills an operation's request from options.
type request struct {
	in    any
	files map[string][]byte
	// rule is what --protocol, --port, --cidr and --source-group describe together.
	rule *wire.IpPermission
	// public is --associate-public-ip-address.
	public *bool
}

func (r *request) set(o option) error {
	for i, v := range o.values {
		if file, ok := strings.CutPrefix(v, "file://"); ok {
			data, ok := r.files[file]
			if !ok {
				return o.bad(sim.T("the script has not written that file"))
			}
			o.values[i] = string(data)
		}
	}
	if done, err := r.custom(o); done || err != nil {
		return err
	}
	name, yes := o.name, true
	f, ok := r.field(name)
	if !ok && strings.HasPrefix(name, "no-") {
		name, yes = strings.TrimPrefix(name, "no-"), false
		f, ok = r.field(name)
	}
	if !ok {
		return r.unknown(o)
	}
	if len(o.values) == 0 {
		return setFlag(f, yes, o)
	}
	v, err := valueOf(o.values, f.Type())
	if err == nil {
		err = assign(f, v)
	}
	if err != nil {
		return within("--"+o.name, err)
	}
	return nil
}

// knows reports an option that there is not.
func (r *request) knows(o option) error {
	if slices.Contains([]string{"protocol", "port", "cidr", "source-group", "count"}, o.name) {
		o.values = []string{"1"} // one that the AWS CLI adds, or an error
		if done, err := r.custom(o); done {
			return err
		}
	}
	if _, ok := r.field(o.name); !ok {
		return r.unknown(o)
	}
	return nil
}

func (r *request) field(name string) (reflect.Value, bool) {
	v := reflect.ValueOf(r.in).Elem()
	for i := range v.NumField() {
		if kebab(v.Type().Field(i).Name) == name {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

func (r *request) unknown(o option) error {
	var known []string
	t := reflect.TypeOf(r.in).Elem()
	for i := range t.NumField() {
		known = append(known, kebab(t.Field(i).Name))
	}
	if near, ok := sim.Nearest(o.name, known); ok {
		return wrong(sim.T("there is no option --%s; did you mean --%s?", o.name, near))
	}
	return wrong(sim.T("there is no option --%s", o.name))
}

// setFlag sets what is said by an option without a value.
func setFlag(f reflect.Value, yes bool, o option) error {
	switch x := reflect.New(f.Type().Elem()).Interface().(type) {
	case *bool:
		f.Set(reflect.ValueOf(&yes))
	case *wire.AttributeBooleanValue:
		x.Value = &yes
		f.Set(reflect.ValueOf(x))
	default:
		return o.bad(sim.T("a value is wanted"))
	}
	return nil
}

// custom reads the options that the AWS CLI adds to the API's parameters.
func (r *request) custom(o option) (done bool, err error) {
	switch x := r.in.(type) {
	case *wire.RunInstancesRequest:
		return r.launch(x, o)
	case *wire.AuthorizeSecurityGroupIngressRequest, *wire.AuthorizeSecurityGroupEgressRequest,
		*wire.RevokeSecurityGroupIngressRequest, *wire.RevokeSecurityGroupEgressRequest:
		return r.permission(o)
	}
	return false, nil
}

func (r *request) launch(x *wire.RunInstancesRequest, o option) (bool, error) {
	switch o.name {
	case "count":
		word, err := o.one()
		least, most, ranged := strings.Cut(word, ":")
		if !ranged {
			most = least
		}
		a, err1 := strconv.Atoi(least)
		b, err2 := strconv.Atoi(most)
		if err != nil || err1 != nil || err2 != nil {
			return true, o.bad(sim.T("a number of instances is wanted"))
		}
		x.MinCount, x.MaxCount = &a, &b
	case "associate-public-ip-address", "no-associate-public-ip-address":
		yes := o.name[0] == 'a'
		r.public = &yes
	case "user-data":
		word, err := o.one()
		if err != nil {
			return true, err
		}
		encoded := base64.StdEncoding.EncodeToString([]byte(word))
		x.UserData = &encoded
	default:
		return false, nil
	}
	return true, nil
}

func (r *request) permission(o option) (bool, error) {
	word, err := o.one()
	rule := r.rule
	if rule == nil {
		rule = &wire.IpPermission{}
	}
	switch o.name {
	case "protocol":
		if word == "all" {
			word = "-1"
		}
		rule.IpProtocol = &word
	case "port":
		least, most, ranged := strings.Cut(strings.TrimPrefix(word, "-"), "-")
		if !ranged {
			most = least
		}
		from, err1 := strconv.Atoi(least)
		to, err2 := strconv.Atoi(most)
		if err1 != nil || err2 != nil {
			return true, o.bad(sim.T("a port, or a range such as 8000-8080, is wanted"))
		}
		if word == "-1" {
			from, to = -1, -1
		}
		rule.FromPort, rule.ToPort = &from, &to
	case "cidr":
		rule.IpRanges = []wire.IpRange{{CidrIp: &word}}
	case "source-group":
		rule.UserIdGroupPairs = []wire.UserIdGroupPair{{GroupId: &word}}
	default:
		return false, nil
	}
	r.rule = rule
	return true, err
}

// finish puts the added options where the API wants them.
func (r *request) finish() {
	if r.rule != nil {
		f, _ := r.field("ip-permissions")
		f.Set(reflect.ValueOf([]wire.IpPermission{*r.rule}))
	}
	x, ok := r.in.(*wire.RunInstancesRequest)
	if !ok {
		return
	}
	if one := 1; x.MinCount == nil {
		x.MinCount, x.MaxCount = &one, &one
	}
	if r.public != nil {
		x.NetworkInterfaces = []wire.InstanceNetworkInterfaceSpecification{{DeviceIndex: new(int), AssociatePublicIpAddress: r.public,
			SubnetId: x.SubnetId, Groups: x.SecurityGroupIds, PrivateIpAddress: x.PrivateIpAddress}}
		x.SubnetId, x.SecurityGroupIds, x.PrivateIpAddress = nil, nil, nil
	}
}

// assign stores a value of words, lists and mappings in a request's field.
func assign(f reflect.Value, x any) error {
	switch {
	case f.Kind() == reflect.Pointer:
		p := reflect.New(f.Type().Elem())
		if err := assign(p.Elem(), x); err != nil {
			return err
		}
		f.Set(p)
		return nil
	case f.Type() == reflect.TypeFor[time.Time]():
		t, err := time.Parse(time.RFC3339, fmt.Sprint(x))
		f.Set(reflect.ValueOf(t))
		return err
	case f.Type() == reflect.TypeFor[[]byte]():
		f.SetBytes([]byte(fmt.Sprint(x)))
		return nil
	case f.Kind() == reflect.Slice:
		return assignList(f, x)
	case f.Kind() == reflect.Struct:
		return assignStruct(f, x)
	}
	word, ok := x.(string)
	if !ok {
		return wrong(sim.T("a single value is wanted in place of %v", x))
	}
	var err error
	switch f.Kind() {
	case reflect.String:
		f.SetString(word)
	case reflect.Bool:
		var b bool
		b, err = strconv.ParseBool(strings.ToLower(word))
		f.SetBool(b)
	case reflect.Int, reflect.Int64:
		var n int64
		n, err = strconv.ParseInt(word, 10, 64)
		f.SetInt(n)
	case reflect.Float64:
		var n float64
		n, err = strconv.ParseFloat(word, 64)
		f.SetFloat(n)
	}
	return err
}

func assignList(f reflect.Value, x any) error {
	list, ok := x.([]any)
	if !ok {
		list = []any{x}
	}
	out := reflect.MakeSlice(f.Type(), len(list), len(list))
	for i, e := range list {
		if err := assign(out.Index(i), e); err != nil {
			return err
		}
	}
	f.Set(out)
	return nil
}

func assignStruct(f reflect.Value, x any) error {
	m, ok := x.(map[string]any)
	if !ok {
		return wrong(sim.T("NAME=VALUE is wanted in place of %v", x))
	}
	for k, e := range m {
		member := f.FieldByName(k)
		if !member.IsValid() {
			var known []string
			for i := range f.NumField() {
				known = append(known, f.Type().Field(i).Name)
			}
			if near, ok := sim.Nearest(k, known); ok {
				return wrong(sim.T("there is no %s; did you mean %s?", k, near))
			}
			return wrong(sim.T("there is no %s; known are %v", k, known))
		}
		if err := assign(member, e); err != nil {
			return within(k, err)
		}
	}
	return nil
}
