package imds

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"labsim/sim/dataplane"
)

// dir is a directory: names to string, []byte or dir.
type dir map[string]any

// plain directories are listed without a slash behind their names.
var plain = []string{"meta-data", "dynamic", "latest"}

// list writes a directory as the service does: one name per line, no line end
// at the last, a slash behind directories, and for keys what they are called.
func (d dir) list() string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(d)) {
		if sub, ok := d[name].(dir); ok && !slices.Contains(plain, name) {
			if key, ok := sub[keyName].(hidden); ok {
				name += "=" + string(key)
			} else {
				name += "/"
			}
		}
		if name != keyName {
			out = append(out, name)
		}
	}
	return strings.Join(out, "\n")
}

// keyName is the entry of a public key's directory that says what it is called;
// no path leads there.
const keyName = ""

type hidden string

// versions are the dates under which the tree is served, besides latest.
var versions = []string{"1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15", "2008-02-01", "2008-09-01",
	"2009-04-04", "2011-01-01", "2011-05-01", "2012-01-12", "2014-02-25", "2014-11-05", "2015-10-20", "2016-04-19", "2016-06-30",
	"2016-09-02", "2018-03-28", "2018-08-17", "2018-09-24", "2019-10-01", "2020-10-27", "2021-01-03", "2021-03-23", "2021-07-15",
	"2022-07-09", "2022-09-24", "2024-04-11"}

func tree(m dataplane.Metadata) dir {
	latest := dir{"meta-data": metaData(m), "dynamic": dir{"instance-identity": dir{"document": document(m)}}}
	if len(m.UserData) > 0 {
		latest["user-data"] = m.UserData
	}
	root := dir{"latest": latest}
	for _, v := range versions {
		root[v] = "" // served as latest
	}
	return root
}

// metaData holds what the user guide's "Instance metadata categories" lists, as
// far as labsim has it. What is empty is left out, as on AWS.
func metaData(m dataplane.Metadata) dir {
	d := dir{
		"ami-id":              string(m.Image),
		"ami-launch-index":    strconv.Itoa(m.LaunchIndex),
		"ami-manifest-path":   "(unknown)",
		"hostname":            m.Hostname,
		"instance-action":     "none",
		"instance-id":         string(m.Instance),
		"instance-life-cycle": "on-demand",
		"instance-type":       m.Type,
		"local-hostname":      m.Hostname,
		"local-ipv4":          m.Addr.String(),
		"mac":                 m.MAC,
		"network":             dir{"interfaces": dir{"macs": dir{m.MAC: network(m)}}},
		"placement":           dir{"availability-zone": string(m.Zone), "region": string(m.Zone.Region())},
		"reservation-id":      string(m.Reservation),
		"security-groups":     strings.Join(m.GroupNames, "\n"),
		"services":            dir{"domain": "amazonaws.com", "partition": "aws"},
	}
	d.public(m)
	devices := dir{}
	for name, device := range m.BlockDevices {
		devices[name] = device
	}
	if len(devices) > 0 {
		d["block-device-mapping"] = devices
	}
	if m.PublicKey != "" {
		d["public-keys"] = dir{"0": dir{keyName: hidden(m.KeyName), "openssh-key": m.PublicKey}}
	}
	if len(m.Tags) > 0 {
		tags := dir{}
		for _, t := range m.Tags {
			tags[t.Key] = t.Value
		}
		d["tags"] = dir{"instance": tags}
	}
	return d
}

// public adds the public address and name, where there are any.
func (d dir) public(m dataplane.Metadata) {
	if m.Public.IsValid() {
		d["public-ipv4"] = m.Public.String()
	}
	if m.PublicHostname != "" {
		d["public-hostname"] = m.PublicHostname
	}
}

func network(m dataplane.Metadata) dir {
	ids := make([]string, len(m.Groups))
	for i, g := range m.Groups {
		ids[i] = string(g)
	}
	d := dir{
		"device-number":          "0",
		"interface-id":           string(m.ENI),
		"local-hostname":         m.Hostname,
		"local-ipv4s":            m.Addr.String(),
		"mac":                    m.MAC,
		"owner-id":               string(m.Account),
		"security-group-ids":     strings.Join(ids, "\n"),
		"security-groups":        strings.Join(m.GroupNames, "\n"),
		"subnet-id":              string(m.Subnet),
		"subnet-ipv4-cidr-block": m.SubnetCIDR.String(),
		"vpc-id":                 string(m.VPC),
		"vpc-ipv4-cidr-block":    m.VPCCIDR.String(),
		"vpc-ipv4-cidr-blocks":   m.VPCCIDR.String(),
	}
	if m.Public.IsValid() {
		d["public-ipv4s"] = m.Public.String()
		d["ipv4-associations"] = dir{m.Public.String(): m.Addr.String()}
	}
	if m.PublicHostname != "" {
		d["public-hostname"] = m.PublicHostname
	}
	return d
}

// document is the instance identity document (EC2 User Guide, "Instance
// identity documents"). labsim has no key of AWS's, so it is not signed.
func document(m dataplane.Metadata) string {
	var pending *string
	if !m.LaunchTime.IsZero() {
		s := m.LaunchTime.UTC().Format(time.RFC3339)
		pending = &s
	}
	b, _ := json.MarshalIndent(struct {
		AccountID    string   `json:"accountId"`
		Architecture string   `json:"architecture"`
		Zone         string   `json:"availabilityZone"`
		Billing      []string `json:"billingProducts"`
		Devpay       []string `json:"devpayProductCodes"`
		Marketplace  []string `json:"marketplaceProductCodes"`
		ImageID      string   `json:"imageId"`
		InstanceID   string   `json:"instanceId"`
		InstanceType string   `json:"instanceType"`
		KernelID     *string  `json:"kernelId"`
		PendingTime  *string  `json:"pendingTime"`
		PrivateIP    string   `json:"privateIp"`
		RAMDiskID    *string  `json:"ramdiskId"`
		Region       string   `json:"region"`
		Version      string   `json:"version"`
	}{
		AccountID: string(m.Account), Architecture: m.Architecture, Zone: string(m.Zone), ImageID: string(m.Image),
		InstanceID: string(m.Instance), InstanceType: m.Type, PendingTime: pending, PrivateIP: m.Addr.String(),
		Region: string(m.Zone.Region()), Version: "2017-09-30",
	}, "", "  ")
	return string(b)
}
