package docker

import (
	"testing"

	"labsim/sim/engine/enginetest"
)

func TestSuite(t *testing.T) {
	e := realEngine(t, "suite")
	_, build := withImage(t, e)
	enginetest.Run(t, func(t *testing.T) enginetest.Subject {
		return enginetest.Subject{Engine: e, Site: e.site, Image: imageOf(build), Public: freePublic(t, e)}
	})
}
