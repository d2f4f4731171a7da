package world

import (
	"net/netip"

	"labsim/sim"
)

// settingLastPublic remembers the public address that was given out last, so
// that they are given out in turn and a stop and start really changes it.
const settingLastPublic = "public-pool.last"

// publicIP takes the next free address of the pool.
func (tx *Tx) publicIP() (netip.Addr, error) {
	first, last := tx.opts.PublicPool.First, tx.opts.PublicPool.Last
	at, err := netip.ParseAddr(tx.Settings.Row(settingLastPublic).Value)
	if err != nil || at.Less(first) || last.Less(at) {
		at = last
	}
	for begin := at; ; {
		if at = at.Next(); !at.IsValid() || last.Less(at) {
			at = first
		}
		if at.IsValid() && !tx.publicUsed(at) {
			put(tx, tx.Settings, settingLastPublic, Setting{Value: at.String()})
			return at, nil
		}
		if at == begin {
			return netip.Addr{}, sim.Errorf("InsufficientAddressCapacity", "There are not enough free public addresses: the pool %s to %s is in use.", first, last)
		}
	}
}

func (s *State) publicUsed(a netip.Addr) bool {
	return s.Addresses.has(addressesByIP, a.String()) || s.ENIs.has(enisByPublicIP, a.String())
}

// givePublicIP gives an address of the pool to an interface that shall have one
// and has none.
func (tx *Tx) givePublicIP(e sim.ENI) (sim.ENI, error) {
	if !e.AutoPublicIP || e.PublicIP.IsValid() {
		return e, nil
	}
	a, err := tx.publicIP()
	e.PublicIP = a
	return e, err
}
