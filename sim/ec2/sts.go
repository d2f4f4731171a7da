package ec2

import (
	"encoding/xml"
	"net/http"

	"labsim/sim"
)

const (
	stsVersion   = "2011-06-15"
	stsNamespace = "https://sts.amazonaws.com/doc/2011-06-15/"
)

type callerIdentity struct {
	XMLName   xml.Name `xml:"GetCallerIdentityResponse"`
	Space     string   `xml:"xmlns,attr"`
	Arn       string   `xml:"GetCallerIdentityResult>Arn"`
	UserID    string   `xml:"GetCallerIdentityResult>UserId"`
	Account   string   `xml:"GetCallerIdentityResult>Account"`
	RequestID string   `xml:"ResponseMetadata>RequestId"`
}

// getCallerIdentity is the one operation of STS that the AWS CLI and Terraform
// ask for before they do anything (STS API, GetCallerIdentity).
func getCallerIdentity(a *answer, action string, id identity) error {
	if action != "GetCallerIdentity" {
		return sim.Errorf("InvalidAction", "Could not find operation %s for version %s; of STS labsim has GetCallerIdentity alone", action, stsVersion)
	}
	a.xml(http.StatusOK, document(callerIdentity{
		Space: stsNamespace, Arn: "arn:aws:iam::" + string(id.account) + ":root",
		UserID: string(id.account), Account: string(id.account), RequestID: a.requestID,
	}))
	return nil
}
