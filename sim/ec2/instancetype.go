package ec2

import (
	"fmt"
	"strings"

	"labsim/sim"
	"labsim/sim/ec2/wire"
)

var instanceTypeFilters = filters[sim.InstanceType]{
	"auto-recovery-supported":               func(*call, sim.InstanceType) []string { return yesNo(false) },
	"bare-metal":                            func(*call, sim.InstanceType) []string { return yesNo(false) },
	"burstable-performance-supported":       func(_ *call, t sim.InstanceType) []string { return yesNo(t.Burstable) },
	"current-generation":                    func(*call, sim.InstanceType) []string { return yesNo(true) },
	"dedicated-hosts-supported":             func(*call, sim.InstanceType) []string { return yesNo(false) },
	"free-tier-eligible":                    func(_ *call, t sim.InstanceType) []string { return yesNo(freeTier(t)) },
	"hibernation-supported":                 func(*call, sim.InstanceType) []string { return yesNo(false) },
	"hypervisor":                            func(*call, sim.InstanceType) []string { return []string{"nitro"} },
	"instance-storage-supported":            func(*call, sim.InstanceType) []string { return yesNo(false) },
	"instance-type":                         func(_ *call, t sim.InstanceType) []string { return str(t.Name) },
	"memory-info.size-in-mib":               func(_ *call, t sim.InstanceType) []string { return number(t.MemoryMiB) },
	"network-info.network-performance":      func(_ *call, t sim.InstanceType) []string { return str(networkPerformance(t)) },
	"processor-info.supported-architecture": func(*call, sim.InstanceType) []string { return []string{"x86_64"} },
	"supported-root-device-type":            func(*call, sim.InstanceType) []string { return []string{"ebs"} },
	"supported-usage-class":                 func(*call, sim.InstanceType) []string { return []string{"on-demand"} },
	"supported-virtualization-type":         func(*call, sim.InstanceType) []string { return []string{"hvm"} },
	"vcpu-info.default-cores":               func(_ *call, t sim.InstanceType) []string { return number(cores(t)) },
	"vcpu-info.default-threads-per-core":    func(_ *call, t sim.InstanceType) []string { return number(threads(t)) },
	"vcpu-info.default-vcpus":               func(_ *call, t sim.InstanceType) []string { return number(t.VCPUs) },
}

func describeInstanceTypes(c *call, in *wire.DescribeInstanceTypesRequest) (*wire.DescribeInstanceTypesResult, error) {
	match, err := compile(c, instanceTypeFilters, nil, in.Filters)
	if err != nil {
		return nil, err
	}
	for _, name := range in.InstanceTypes {
		if _, ok := sim.InstanceTypeNamed(name); !ok {
			return nil, sim.Errorf("InvalidInstanceType", "The following supplied instance types do not exist: [%s]", name)
		}
	}
	var found []string
	for _, t := range sim.InstanceTypes() {
		if (len(in.InstanceTypes) == 0 || contains(in.InstanceTypes, t.Name)) && match(t) {
			found = append(found, t.Name)
		}
	}
	found, next, err := page{max: in.MaxResults, token: in.NextToken, cap: 100}.cut(sorted(found))
	return &wire.DescribeInstanceTypesResult{NextToken: next,
		InstanceTypes: convert(found, func(name string) wire.InstanceTypeInfo { return instanceTypeInfo(instanceTypeOf(name)) })}, err
}

func instanceTypeOf(name string) sim.InstanceType {
	t, _ := sim.InstanceTypeNamed(name)
	return t
}

func instanceTypeInfo(t sim.InstanceType) wire.InstanceTypeInfo {
	out := wire.InstanceTypeInfo{
		InstanceType: new(t.Name), CurrentGeneration: new(true), SupportedInRegion: new(true), FreeTierEligible: new(freeTier(t)), BareMetal: new(false), Hypervisor: new("nitro"),
		BurstablePerformanceSupported: new(t.Burstable), DedicatedHostsSupported: new(false), AutoRecoverySupported: new(false),
		HibernationSupported: new(false), InstanceStorageSupported: new(false),
		SupportedUsageClasses: []string{"on-demand"}, SupportedRootDeviceTypes: []string{"ebs"}, SupportedVirtualizationTypes: []string{"hvm"},
		VCpuInfo:      &wire.VCpuInfo{DefaultVCpus: new(t.VCPUs), DefaultCores: new(cores(t)), DefaultThreadsPerCore: new(threads(t))},
		MemoryInfo:    &wire.MemoryInfo{SizeInMiB: new(int64(t.MemoryMiB))},
		ProcessorInfo: &wire.ProcessorInfo{SupportedArchitectures: []string{"x86_64"}},
		NetworkInfo: &wire.NetworkInfo{NetworkPerformance: new(networkPerformance(t)), MaximumNetworkInterfaces: new(1), MaximumNetworkCards: new(1),
			DefaultNetworkCardIndex: new(0), Ipv4AddressesPerInterface: new(1), Ipv6AddressesPerInterface: new(0), Ipv6Supported: new(false), EnaSupport: new("required")},
	}
	if t.GPUs > 0 {
		out.GpuInfo = &wire.GpuInfo{Gpus: []wire.GpuDeviceInfo{{Count: new(t.GPUs)}}}
	}
	return out
}

// All types of the catalogue have two threads a core.
func threads(t sim.InstanceType) int { return min(2, t.VCPUs) }
func cores(t sim.InstanceType) int   { return (t.VCPUs + 1) / 2 }

func freeTier(t sim.InstanceType) bool { return t.Name == "t3.micro" }

func networkPerformance(t sim.InstanceType) string {
	if strings.HasPrefix(t.Name, "t3.") {
		return "Up to 5 Gigabit"
	}
	return fmt.Sprintf("%g Gigabit", float64(t.NetworkMbit)/1000)
}
