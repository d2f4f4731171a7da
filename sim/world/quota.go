package world

import "iter"

// Quotas. Where AWS's default (in brackets) would annoy a classroom that shares
// a region, labsim is more generous.
const (
	maxVPCs              = 500  // per account (5)
	maxSubnetsPerVPC     = 200  // as AWS
	maxRouteTablesPerVPC = 200  // as AWS
	maxRoutesPerTable    = 50   // as AWS before 2024 (now 500)
	maxGroupsPerVPC      = 500  // (2500 per region)
	maxRulesPerGroup     = 60   // each way, as AWS
	maxGroupsPerENI      = 5    // as AWS
	maxKeyPairs          = 5000 // as AWS
	maxAddresses         = 50   // per account (5)
	maxInstances         = 500  // per account (by vCPUs)
	maxUserData          = 16 * 1024
	maxClientToken       = 64
	maxKeyPairName       = 255
	maxInternetGateways  = maxVPCs
	maxNetworkInterfaces = 5000 // as AWS
	maxVolumes           = 5000
	maxDescriptionOfENI  = 255
	maxMetadataHops      = 64
)

func count[K, V any](rows iter.Seq2[K, V]) int {
	n := 0
	for range rows {
		n++
	}
	return n
}
