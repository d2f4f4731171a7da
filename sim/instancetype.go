package sim

// Family is a family of instance types (EC2 User Guide, "Instance types").
type Family string

const (
	FamilyGeneral Family = "general purpose"
	FamilyCompute Family = "compute optimized"
	FamilyMemory  Family = "memory optimized"
	FamilyStorage Family = "storage optimized"
	FamilyGPU     Family = "accelerated computing"
)

// InstanceType says how large an instance is.
type InstanceType struct {
	Name        string
	Family      Family
	VCPUs       int
	MemoryMiB   int
	NetworkMbit int // Mbit/s, the rate it can hold, not the burst
	GPUs        int
	StorageGB   int // instance store; labsim gives none
	Burstable   bool
}

// DefaultInstanceType is what a launch gets that names none.
const DefaultInstanceType = "t3.micro"

var instanceTypes = []InstanceType{
	{Name: "t3.nano", Family: FamilyGeneral, VCPUs: 2, MemoryMiB: 512, NetworkMbit: 32, Burstable: true},
	{Name: "t3.micro", Family: FamilyGeneral, VCPUs: 2, MemoryMiB: 1024, NetworkMbit: 64, Burstable: true},
	{Name: "t3.small", Family: FamilyGeneral, VCPUs: 2, MemoryMiB: 2048, NetworkMbit: 128, Burstable: true},
	{Name: "t3.medium", Family: FamilyGeneral, VCPUs: 2, MemoryMiB: 4096, NetworkMbit: 256, Burstable: true},
	{Name: "t3.large", Family: FamilyGeneral, VCPUs: 2, MemoryMiB: 8192, NetworkMbit: 512, Burstable: true},
	{Name: "t3.xlarge", Family: FamilyGeneral, VCPUs: 4, MemoryMiB: 16384, NetworkMbit: 1024, Burstable: true},
	{Name: "t3.2xlarge", Family: FamilyGeneral, VCPUs: 8, MemoryMiB: 32768, NetworkMbit: 2048, Burstable: true},
	{Name: "m5.large", Family: FamilyGeneral, VCPUs: 2, MemoryMiB: 8192, NetworkMbit: 750},
	{Name: "m5.xlarge", Family: FamilyGeneral, VCPUs: 4, MemoryMiB: 16384, NetworkMbit: 1250},
	{Name: "m5.2xlarge", Family: FamilyGeneral, VCPUs: 8, MemoryMiB: 32768, NetworkMbit: 2500},
	{Name: "c5.large", Family: FamilyCompute, VCPUs: 2, MemoryMiB: 4096, NetworkMbit: 750},
	{Name: "c5.xlarge", Family: FamilyCompute, VCPUs: 4, MemoryMiB: 8192, NetworkMbit: 1250},
	{Name: "c5.2xlarge", Family: FamilyCompute, VCPUs: 8, MemoryMiB: 16384, NetworkMbit: 2500},
	{Name: "r5.large", Family: FamilyMemory, VCPUs: 2, MemoryMiB: 16384, NetworkMbit: 750},
	{Name: "r5.xlarge", Family: FamilyMemory, VCPUs: 4, MemoryMiB: 32768, NetworkMbit: 1250},
	{Name: "r5.2xlarge", Family: FamilyMemory, VCPUs: 8, MemoryMiB: 65536, NetworkMbit: 2500},
	{Name: "i3.large", Family: FamilyStorage, VCPUs: 2, MemoryMiB: 15616, NetworkMbit: 750, StorageGB: 475},
	{Name: "i3.xlarge", Family: FamilyStorage, VCPUs: 4, MemoryMiB: 31232, NetworkMbit: 1250, StorageGB: 950},
	{Name: "i3.2xlarge", Family: FamilyStorage, VCPUs: 8, MemoryMiB: 62464, NetworkMbit: 2500, StorageGB: 1900},
	{Name: "g4dn.xlarge", Family: FamilyGPU, VCPUs: 4, MemoryMiB: 16384, NetworkMbit: 5000, GPUs: 1, StorageGB: 125},
}

// InstanceTypes returns the catalogue. The caller may change what it gets.
func InstanceTypes() []InstanceType { return append([]InstanceType(nil), instanceTypes...) }

// InstanceTypeNamed returns the type of that name, and whether there is one.
func InstanceTypeNamed(name string) (InstanceType, bool) {
	for _, t := range instanceTypes {
		if t.Name == name {
			return t, true
		}
	}
	return InstanceType{}, false
}

// InstanceTypeNames returns the names of the catalogue's types, in its order.
func InstanceTypeNames() []string {
	out := make([]string, len(instanceTypes))
	for i, t := range instanceTypes {
		out[i] = t.Name
	}
	return out
}
