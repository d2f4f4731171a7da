package sim

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"
)

// Identifiers are named types so that a subnet's id can't be passed for a
// VPC's. Resource ids have EC2's long form: a prefix, a hyphen and 17
// hexadecimal digits (EC2 User Guide, "Resource IDs").
type (
	AccountID           string // 12 digits
	Region              string // us-east-1
	Zone                string // us-east-1a
	VPCID               string // vpc-
	SubnetID            string // subnet-
	RouteTableID        string // rtb-
	AssociationID       string // rtbassoc-
	InternetGatewayID   string // igw-
	SecurityGroupID     string // sg-
	SecurityGroupRuleID string // sgr-
	NetworkACLID        string // acl-
	KeyPairID           string // key-
	ENIID               string // eni-
	AttachmentID        string // eni-attach-
	AllocationID        string // eipalloc-
	EIPAssociationID    string // eipassoc-
	InstanceID          string // i-
	ReservationID       string // r-
	VolumeID            string // vol-
	SnapshotID          string // snap-
	ImageID             string // ami-
)

// Prefixes of the identifiers, in the order of the types above.
const (
	PrefixVPC               = "vpc"
	PrefixSubnet            = "subnet"
	PrefixRouteTable        = "rtb"
	PrefixAssociation       = "rtbassoc"
	PrefixInternetGateway   = "igw"
	PrefixSecurityGroup     = "sg"
	PrefixSecurityGroupRule = "sgr"
	PrefixNetworkACL        = "acl"
	PrefixKeyPair           = "key"
	PrefixENI               = "eni"
	PrefixAttachment        = "eni-attach"
	PrefixAllocation        = "eipalloc"
	PrefixEIPAssociation    = "eipassoc"
	PrefixInstance          = "i"
	PrefixReservation       = "r"
	PrefixVolume            = "vol"
	PrefixSnapshot          = "snap"
	PrefixImage             = "ami"
)

const idDigits = 17

// NewID makes an identifier of the given prefix from random. Randomness comes
// in as an argument so that the rules that call this stay pure.
func NewID[ID ~string](prefix string, random io.Reader) (ID, error) {
	var b [(idDigits + 1) / 2]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("new %s id: %w", prefix, err)
	}
	// Ids of EC2's long form start with 0, which tells them from the 8-digit ones.
	return ID(prefix + "-0" + hex.EncodeToString(b[:])[:idDigits-1]), nil
}

// ValidID reports whether s has the form of an identifier of that prefix, in
// the long (17) or the old short form (8 digits).
func ValidID(prefix, s string) bool {
	digits, ok := strings.CutPrefix(s, prefix+"-")
	if !ok || len(digits) != idDigits && len(digits) != 8 {
		return false
	}
	return strings.Trim(digits, "0123456789abcdef") == ""
}

// Region returns the region that the zone belongs to: us-east-1a is in us-east-1.
func (z Zone) Region() Region {
	if z == "" {
		return ""
	}
	return Region(z[:len(z)-1])
}
