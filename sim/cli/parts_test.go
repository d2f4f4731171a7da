package cli

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"

	"labsim/sim"
	"labsim/sim/dataplane"
)

func TestColumns(t *testing.T) {
	for s, want := range map[string]int{"": 0, "Custom VPC": 10, "사용자 지정 VPC": 15, "퍼블릭·프라이빗 서브넷": 22, "✓": 1, "라우팅": 6} {
		if got := sim.Columns(s); got != want {
			t.Errorf("Columns(%q) = %d, want %d", s, got, want)
		}
	}
	if got := pad("서브넷", 8) + "|"; got != "서브넷  |" {
		t.Errorf("pad: %q", got)
	}
	for _, c := range []struct {
		s    string
		n    int
		want string
	}{{"abcdef", 4, "abc"}, {"abc", 4, "abc"}, {"서브넷", 5, "서브"}, {"서브넷", 6, "서브"}, {"", 3, ""}} {
		if got := cut(c.s, c.n); got != c.want {
			t.Errorf("cut(%q, %d) = %q, want %q", c.s, c.n, got, c.want)
		}
	}
}

// What is wrong with the box is named, with what to type where that is known.
func TestSayWrong(t *testing.T) {
	var errw strings.Builder
	a := &app{site: string(sim.DefaultSite), err: &errw}
	if a.sayWrong(boxStatus{}) || errw.String() != "" {
		t.Errorf("of a box that is well: %q", errw.String())
	}
	if !a.sayWrong(boxStatus{OtherBuild: true, Problems: []dataplane.Problem{{Resource: "agent", Message: "too old"}}}) {
		t.Error("an agent that is too old is nothing wrong")
	}
	if got, want := errw.String(), "agent: too old\ncontrol and the agent are of different builds of labsim; this gives them the same one:\n    "+self()+" up\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// A command that is printed works when pasted: with the site that is meant, and
// the AWS CLI in it is labsim's.
func TestSpell(t *testing.T) {
	own := self()
	site := &app{site: "t-x"}
	for got, want := range map[string]string{
		site.spell("up"):                                              own + " --site t-x up",
		site.respell("labsim up"):                                     own + " --site t-x up",
		site.respell("do: labsim up"):                                 "do: " + own + " --site t-x up",
		site.respell("a labsim of old"):                               "a labsim of old",
		site.respell(site.say(command("aws ec2 x --a $(aws ec2 y)"))): own + " --site t-x aws ec2 x --a $(" + own + " --site t-x aws ec2 y)",
		(&app{site: string(sim.DefaultSite)}).spell("up"):             own + " up",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// What an instance is called is anybody's tag: as an alias of ssh's configuration
// and as the name of a file it does no harm.
func TestNamesOfStrangers(t *testing.T) {
	for name, want := range map[string]string{"web": "web", "web\n  ProxyCommand rm": "i-1", "-oProxyCommand=x": "i-1", "$(rm)": "i-1", "*": "i-1", "": "i-1"} {
		if got := (instance{ID: "i-1", Name: name}).alias(); got != want {
			t.Errorf("alias of %q: %q, want %q", name, got, want)
		}
	}
	for name, want := range map[string]string{"lab": "lab", "../../x": "_.._x", "a/b": "a_b", "..": "", "a\x1b[2J": "a_[2J"} {
		if got := safeName(name); got != want {
			t.Errorf("safeName(%q) = %q, want %q", name, got, want)
		}
	}
	if got := shellJoin([]string{"a b", "it's", "x", "", "$(rm)"}); got != `'a b' 'it'\''s' x '' '$(rm)'` {
		t.Errorf("shellJoin: %s", got)
	}
}

func TestOwnFlags(t *testing.T) {
	a := &app{site: "labsim"}
	rest, err := a.ownFlags([]string{"--site", "t-y", "--engine=none", "rds", "--engine", "mysql", "--site", "x"})
	if err != nil || a.site != "t-y" || a.engine != "none" || len(rest) != 5 || rest[0] != "rds" {
		t.Errorf("%v, %v, %+v", rest, err, a)
	}
	if _, err := (&app{site: "labsim"}).ownFlags([]string{"--engine", "podman", "ec2"}); err == nil {
		t.Error("--engine podman is taken")
	}
}

// A server that speaks first may do so in the segment that answers the upgrade:
// nothing of it is lost on the way through.
func TestStreamKeepsFirstWords(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			io.WriteString(c, "101\nSSH-2.0-x\nmore")
			c.Close()
		}
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := &bufferedConn{conn.(*net.TCPConn), bufio.NewReader(conn)}
	if line, err := c.r.ReadString('\n'); err != nil || line != "101\n" {
		t.Fatalf("%q, %v", line, err)
	}
	var got strings.Builder
	if _, err := io.Copy(&got, c); err != nil || got.String() != "SSH-2.0-x\nmore" {
		t.Errorf("%q, %v", got.String(), err)
	}
}
