package text

import (
	"testing"

	"labsim/sim"
)

func TestParticles(t *testing.T) {
	for _, c := range []struct{ word, want string }{
		{"서브넷", "서브넷이 서브넷은 서브넷을 서브넷과 서브넷으로 서브넷이며"},
		{"인스턴스", "인스턴스가 인스턴스는 인스턴스를 인스턴스와 인스턴스로 인스턴스며"},
		{"볼륨", "볼륨이 볼륨은 볼륨을 볼륨과 볼륨으로 볼륨이며"},
		{"교실", "교실이 교실은 교실을 교실과 교실로 교실이며"},
		{"VPC", "VPC가 VPC는 VPC를 VPC와 VPC로 VPC며"},
		{"rtb-05a2255cc0ba53711", "rtb-05a2255cc0ba53711이 rtb-05a2255cc0ba53711은 rtb-05a2255cc0ba53711을 rtb-05a2255cc0ba53711과 rtb-05a2255cc0ba53711로 rtb-05a2255cc0ba53711이며"},
		{"igw-0daec014e", "igw-0daec014e가 igw-0daec014e는 igw-0daec014e를 igw-0daec014e와 igw-0daec014e로 igw-0daec014e며"},
		{"10.0.1.10", "10.0.1.10이 10.0.1.10은 10.0.1.10을 10.0.1.10과 10.0.1.10으로 10.0.1.10이며"},
		{"tcp/5432", "tcp/5432가 tcp/5432는 tcp/5432를 tcp/5432와 tcp/5432로 tcp/5432며"},
		{`"서브넷"`, `"서브넷"이 "서브넷"은 "서브넷"을 "서브넷"과 "서브넷"으로 "서브넷"이며`},
		{"web", "web이(가) web은(는) web을(를) web와(과) web(으)로 web(이)며"},
		{"web (i-0a1)", "web (i-0a1)이 web (i-0a1)은 web (i-0a1)을 web (i-0a1)과 web (i-0a1)로 web (i-0a1)이며"},
	} {
		if got := settle(c.word + "이(가) " + c.word + "은(는) " + c.word + "을(를) " + c.word + "와(과) " + c.word + "(으)로 " + c.word + "(이)며"); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.word, got, c.want)
		}
	}
	if got, want := In(Korean, sim.T("there is no %s yet", sim.T("subnet"))), "아직 서브넷이 없습니다"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
