package sim

import "net/netip"

// SecurityGroup is a stateful set of allow rules for the interfaces that carry it.
type SecurityGroup struct {
	ID          SecurityGroupID
	Owner       AccountID
	VPC         VPCID
	Name        string
	Description string
	Rules       []SecurityGroupRule // in the order in which they were made
	Tags        Tags
}

// SecurityGroupRule allows one kind of traffic from or to one peer.
type SecurityGroupRule struct {
	ID          SecurityGroupRuleID
	Egress      bool
	Protocol    Protocol
	FromPort    int             // first port, or ICMP type; -1: all
	ToPort      int             // last port, or ICMP code; -1: all
	CIDR        netip.Prefix    // the peer, if Group is ""
	Group       SecurityGroupID // the peer: interfaces that carry this group
	Description string
	Tags        Tags
}

// Protocol is an IP protocol number; ProtocolAll is any.
type Protocol int

const (
	ProtocolAll  Protocol = -1
	ProtocolICMP Protocol = 1
	ProtocolTCP  Protocol = 6
	ProtocolUDP  Protocol = 17
)
