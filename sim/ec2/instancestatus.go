package ec2

import (
	"context"
	"encoding/base64"
	"time"

	"labsim/sim"
	"labsim/sim/ec2/wire"
	"labsim/sim/world"
)

// instanceStatuses are instances with the filters of DescribeInstanceStatus.
var instanceStatuses = resource[sim.InstanceID, sim.Instance]{
	table: instances.table,
	filters: filters[sim.Instance]{
		"availability-zone":            instances.filters["availability-zone"],
		"event.code":                   never[sim.Instance],
		"event.description":            never[sim.Instance],
		"event.instance-event-id":      never[sim.Instance],
		"event.not-after":              never[sim.Instance],
		"event.not-before":             never[sim.Instance],
		"event.not-before-deadline":    never[sim.Instance],
		"instance-state-code":          instances.filters["instance-state-code"],
		"instance-state-name":          instances.filters["instance-state-name"],
		"instance-status.reachability": func(_ *call, i sim.Instance) []string { return []string{statusSummary(i).reachability} },
		"instance-status.status":       func(_ *call, i sim.Instance) []string { return []string{statusSummary(i).status} },
		"system-status.reachability":   func(_ *call, i sim.Instance) []string { return []string{statusSummary(i).reachability} },
		"system-status.status":         func(_ *call, i sim.Instance) []string { return []string{statusSummary(i).status} },
	},
}

func describeInstanceStatus(c *call, in *wire.DescribeInstanceStatusRequest) (*wire.DescribeInstanceStatusResult, error) {
	filters := in.Filters
	if !value(in.IncludeAllInstances) {
		filters = append(filters[:len(filters):len(filters)], wire.Filter{Name: new("instance-state-name"), Values: []string{string(sim.StateRunning)}})
	}
	rows, next, err := instanceStatuses.find(c, query{in.InstanceIds, filters, page{max: in.MaxResults, token: in.NextToken}})
	return &wire.DescribeInstanceStatusResult{InstanceStatuses: convert(rows, instanceStatus), NextToken: next}, err
}

func instanceStatus(i sim.Instance) wire.InstanceStatus {
	return wire.InstanceStatus{InstanceId: new(string(i.ID)), AvailabilityZone: new(string(i.Zone)), InstanceState: instanceState(i.Status.State),
		InstanceStatus: statusSummary(i).wire(), SystemStatus: statusSummary(i).wire()}
}

// summary is what EC2's two status checks say.
type summary struct{ status, reachability string }

func statusSummary(i sim.Instance) summary {
	switch {
	case i.Status.State != sim.StateRunning && i.Status.State != sim.StatePending:
		return summary{status: "not-applicable"}
	case i.Status.Error != "":
		return summary{"impaired", "failed"}
	case i.Status.State == sim.StatePending || i.Status.ReadyBoot != i.Boot:
		return summary{"initializing", "initializing"}
	}
	return summary{"ok", "passed"}
}

func (s summary) wire() *wire.InstanceStatusSummary {
	out := &wire.InstanceStatusSummary{Status: &s.status}
	if s.reachability != "" {
		out.Details = []wire.InstanceStatusDetails{{Name: new("reachability"), Status: &s.reachability}}
	}
	return out
}

// describeInstanceAttribute answers one attribute a call, as EC2 does.
func describeInstanceAttribute(c *call, in *wire.DescribeInstanceAttributeRequest) (*wire.InstanceAttribute, error) {
	i, err := c.Instances.See(c.account, id[sim.InstanceID](in.InstanceId))
	if err != nil {
		return nil, err
	}
	shown := c.instance(i)
	out := &wire.InstanceAttribute{InstanceId: in.InstanceId}
	switch text(in.Attribute) {
	case "instanceType":
		out.InstanceType = &wire.AttributeValue{Value: &i.Type}
	case "userData":
		out.UserData = &wire.AttributeValue{}
		if len(i.UserData) > 0 {
			out.UserData.Value = new(base64.StdEncoding.EncodeToString(i.UserData))
		}
	case "instanceInitiatedShutdownBehavior":
		out.InstanceInitiatedShutdownBehavior = &wire.AttributeValue{Value: new(string(i.ShutdownAction))}
	case "rootDeviceName":
		out.RootDeviceName = &wire.AttributeValue{Value: shown.RootDeviceName}
	case "blockDeviceMapping":
		out.BlockDeviceMappings = shown.BlockDeviceMappings
	case "groupSet":
		out.Groups = shown.SecurityGroups
	case "sourceDestCheck":
		out.SourceDestCheck = &wire.AttributeBooleanValue{Value: shown.SourceDestCheck}
	case "productCodes":
		out.ProductCodes = shown.ProductCodes
	case "enaSupport":
		out.EnaSupport = &wire.AttributeBooleanValue{Value: shown.EnaSupport}
	case "ebsOptimized":
		out.EbsOptimized = &wire.AttributeBooleanValue{Value: shown.EbsOptimized}
	case "disableApiTermination":
		out.DisableApiTermination = &wire.AttributeBooleanValue{Value: new(false)}
	case "disableApiStop":
		out.DisableApiStop = &wire.AttributeBooleanValue{Value: new(false)}
	case "enclaveOptions":
		out.EnclaveOptions = shown.EnclaveOptions
	case "kernel":
		out.KernelId = &wire.AttributeValue{}
	case "ramdisk":
		out.RamdiskId = &wire.AttributeValue{}
	case "sriovNetSupport":
		out.SriovNetSupport = &wire.AttributeValue{}
	default:
		return nil, sim.Errorf(sim.CodeInvalidParameterValue, "Value (%s) for parameter attribute is invalid. Unknown attribute.", text(in.Attribute))
	}
	return out, nil
}

func modifyInstanceAttribute(c *call, in *wire.ModifyInstanceAttributeRequest) (*nothing, error) {
	args := world.ModifyInstanceAttribute{Instance: id[sim.InstanceID](in.InstanceId), SecurityGroups: ids[sim.SecurityGroupID](in.Groups), SourceDestCheck: boolOf(in.SourceDestCheck)}
	if in.InstanceType != nil {
		args.Type = in.InstanceType.Value
	}
	if in.InstanceInitiatedShutdownBehavior != nil {
		args.ShutdownAction = new(id[sim.ShutdownAction](in.InstanceInitiatedShutdownBehavior.Value))
	}
	if in.UserData != nil {
		args.UserData = new(in.UserData.Value)
	}
	for _, m := range in.BlockDeviceMappings {
		if m.Ebs != nil && m.Ebs.DeleteOnTermination != nil {
			if args.DeleteOnTermination == nil {
				args.DeleteOnTermination = map[string]bool{}
			}
			args.DeleteOnTermination[text(m.DeviceName)] = *m.Ebs.DeleteOnTermination
		}
	}
	// The older form: an attribute's name and its value.
	var p parser
	switch v := in.Value; text(in.Attribute) {
	case "":
	case "instanceType":
		args.Type = v
	case "instanceInitiatedShutdownBehavior":
		args.ShutdownAction = new(id[sim.ShutdownAction](v))
	case "userData":
		args.UserData = new(p.userData(v))
	case "sourceDestCheck":
		args.SourceDestCheck = p.enabled("value", v, "true", "false")
	default:
		return nil, sim.Errorf(sim.CodeUnsupportedOperation, "labsim can't change the attribute %s", text(in.Attribute))
	}
	if p.err != nil {
		return nil, p.err
	}
	return nil, c.tx.ModifyInstanceAttribute(args)
}

// getConsoleOutput answers without output where nothing was written yet.
func getConsoleOutput(c *call, in *wire.GetConsoleOutputRequest) (*wire.GetConsoleOutputResult, error) {
	i, err := c.Instances.See(c.account, id[sim.InstanceID](in.InstanceId))
	if err != nil {
		return nil, err
	}
	out := &wire.GetConsoleOutputResult{InstanceId: in.InstanceId, Timestamp: optionalTime(i.LaunchTime)}
	data, at, err := c.console(i.ID)
	if err != nil {
		return nil, err
	}
	if len(data) > 0 {
		out.Output, out.Timestamp = new(base64.StdEncoding.EncodeToString(data)), optionalTime(at)
	}
	return out, nil
}

// maxConsole is how much of the end of the console's output is shown.
const maxConsole = 64 << 10

func (c *call) console(id sim.InstanceID) ([]byte, time.Time, error) {
	if c.opts.Console == nil {
		return nil, time.Time{}, nil
	}
	ctx, cancel := context.WithTimeout(c.ctx, 10*time.Second)
	defer cancel()
	data, at, err := c.opts.Console(ctx, id)
	return data[max(0, len(data)-maxConsole):], at, err
}
