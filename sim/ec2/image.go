package ec2

import (
	"labsim/sim"
	"labsim/sim/ec2/wire"
	"labsim/sim/world"
)

var images = resource[sim.ImageID, sim.Image]{
	table: func(s *world.State) *world.Table[sim.ImageID, sim.Image] { return s.Images },
	filters: filters[sim.Image]{
		"architecture": func(_ *call, i sim.Image) []string { return str(i.Architecture) },
		"block-device-mapping.delete-on-termination": never[sim.Image],
		"block-device-mapping.device-name":           never[sim.Image],
		"block-device-mapping.encrypted":             never[sim.Image],
		"block-device-mapping.snapshot-id":           never[sim.Image],
		"block-device-mapping.volume-size":           never[sim.Image],
		"block-device-mapping.volume-type":           never[sim.Image],
		"creation-date":                              func(_ *call, i sim.Image) []string { return moment(i.CreationDate) },
		"description":                                func(_ *call, i sim.Image) []string { return str(i.Description) },
		"ena-support":                                func(*call, sim.Image) []string { return yesNo(true) },
		"hypervisor":                                 func(*call, sim.Image) []string { return []string{"xen"} },
		"image-id":                                   func(_ *call, i sim.Image) []string { return str(i.ID) },
		"image-type":                                 func(*call, sim.Image) []string { return []string{"machine"} },
		"is-public":                                  func(_ *call, i sim.Image) []string { return yesNo(i.Public) },
		"kernel-id":                                  never[sim.Image],
		"manifest-location":                          func(_ *call, i sim.Image) []string { return str(imageLocation(i)) },
		"name":                                       func(_ *call, i sim.Image) []string { return str(i.Name) },
		"owner-alias":                                func(_ *call, i sim.Image) []string { return str(i.OwnerAlias) },
		"owner-id":                                   func(_ *call, i sim.Image) []string { return str(i.Owner) },
		"platform":                                   never[sim.Image],
		"product-code":                               never[sim.Image],
		"product-code.type":                          never[sim.Image],
		"ramdisk-id":                                 never[sim.Image],
		"root-device-name":                           func(_ *call, i sim.Image) []string { return str(i.RootDevice) },
		"root-device-type":                           func(*call, sim.Image) []string { return []string{"ebs"} },
		"state":                                      func(*call, sim.Image) []string { return []string{"available"} },
		"state-reason-code":                          never[sim.Image],
		"state-reason-message":                       never[sim.Image],
		"sriov-net-support":                          func(*call, sim.Image) []string { return []string{"simple"} },
		"virtualization-type":                        func(*call, sim.Image) []string { return []string{"hvm"} },
	},
}

func describeImages(c *call, in *wire.DescribeImagesRequest) (*wire.DescribeImagesResult, error) {
	rows, _, err := images.find(c, query{ids: in.ImageIds, filters: in.Filters})
	if err != nil {
		return nil, err
	}
	found := map[string]sim.Image{}
	for _, i := range rows {
		if c.ownedBy(i, in.Owners) && c.executableBy(i, in.ExecutableUsers) {
			found[string(i.ID)] = i
		}
	}
	list, next, err := page{max: in.MaxResults, token: in.NextToken}.cut(sortedKeys(found))
	return &wire.DescribeImagesResult{NextToken: next, Images: convert(list, func(id string) wire.Image { return image(found[id]) })}, err
}

// ownedBy: owners are account ids, aliases and "self".
func (c *call) ownedBy(i sim.Image, owners []string) bool {
	return len(owners) == 0 || contains(owners, string(i.Owner)) || i.OwnerAlias != "" && contains(owners, i.OwnerAlias) ||
		i.Owner == c.account && contains(owners, "self")
}

// executableBy: users are "all", for public images, and account ids or "self",
// for images that were shared, which labsim has not.
func (c *call) executableBy(i sim.Image, users []string) bool {
	return len(users) == 0 || i.Public && contains(users, "all")
}

func image(i sim.Image) wire.Image {
	return wire.Image{ImageId: new(string(i.ID)), Name: new(i.Name), Description: optional(i.Description), OwnerId: new(string(i.Owner)),
		ImageOwnerAlias: optional(i.OwnerAlias), ImageLocation: new(imageLocation(i)), Architecture: new(i.Architecture),
		CreationDate: new(i.CreationDate.UTC().Format("2006-01-02T15:04:05.000Z")), Public: new(i.Public), State: new("available"),
		ImageType: new("machine"), Hypervisor: new("xen"), VirtualizationType: new("hvm"), EnaSupport: new(true), SriovNetSupport: new("simple"),
		RootDeviceName: new(i.RootDevice), RootDeviceType: new("ebs"), PlatformDetails: new("Linux/UNIX"), UsageOperation: new("RunInstances"),
		BlockDeviceMappings: []wire.BlockDeviceMapping{}, Tags: some(tagSet(i.Tags))}
}

func imageLocation(i sim.Image) string {
	owner := i.OwnerAlias
	if owner == "" {
		owner = string(i.Owner)
	}
	return owner + "/" + i.Name
}
