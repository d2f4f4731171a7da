// Package worldtest reads a small world from readable text, for the tests of
// those who read worlds (compiler, evaluator). It writes rows, not transactions,
// so that such a test can state a world that no rule would let arise, and does
// not fail with the rules.
//
// One resource per line; its id is its kind's prefix and its name (vpc-lab,
// sg-web), and its Name tag is the name:
//
//	lab NAME                               tag labsim:lab of all that follows
//	vpc NAME CIDR [hostnames] [nodns]
//	igw NAME [VPC] [internet]
//	table NAME VPC [main]
//	route TABLE CIDR igw-NAME|eni-NAME
//	subnet NAME VPC CIDR [table=NAME] [zone=a] [number=N] [public]
//	group NAME VPC
//	ingress|egress GROUP all|icmp|tcp/P|tcp/P-Q|udp/P|icmp/TYPE/CODE PEER...
//	key NAME TEXT
//	instance NAME SUBNET ADDRESS [groups=A,B] [type=T] [public=IP] [eip=IP] [state=S]
//	    [key=NAME] [userdata=TEXT] [tokens] [nometadata] [instancetags] [nocheck]
//	eni NAME SUBNET ADDRESS [groups=A,B] [public=IP]
//	address NAME IP
//	volume NAME GIB [on=INSTANCE] [device=/dev/sdf] [deleting]
//
// A peer is a CIDR or a group's name. Rules are numbered per group:
// sgr-web-in1, sgr-web-out1. The interface of an instance has the instance's name.
package worldtest
