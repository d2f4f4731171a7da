package script

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"labsim/sim/ec2/wire"
	"labsim/sim/lab/labtest"
)

// bombs are scripts that are made to keep a machine busy, with the bound that ends
// each.
var bombs = map[string]string{
	"x=xxxxxxxxxxxxxxxx\n" + strings.Repeat("x=$x$x\n", 30):               "line 14 of the script: its variables, or the words of a command, have more than 65536 bytes",
	"x=x\nwhile :; do x=$x$x$x$x; done":                                   "line 2 of the script: its variables",
	"x=x; until x=$x$x; false; do true; done":                             "its variables",
	"x=x; while case a in b) ;; esac; do case a in b) ;; esac; done":      "it runs more than 2000 commands",
	"x=xxxxxxxxxxxxxxxx; " + strings.Repeat("y=$x$x$x$x x=$y$y$y$y; ", 9): "its variables",
	"x=x; for i in 1 2 3 4 5 6 7 8 9 10; do x=$x$x$x$x$x; done":           "its variables",
	"set -- x; while :; do set -- \"$@\" \"$@\"; done":                    "its variables",
	"set -- ''; while :; do set -- \"$@\" \"$@\"; done":                   "its variables",
	"for i in 1 2 3 4 5 6 7 8 9; do for i in 1 2 3 4 5 6 7 8 9; do for i in 1 2 3 4 5 6 7 8 9; do for i in 1 2 3 4 5 6 7 8 9; do x=y; done; done; done; done": "it runs more than 2000 commands",
	"while :; do :; done":                                                       "it runs more than 2000 commands",
	"while :; do aws ec2 describe-vpcs; done":                                   "line 1 of the script: it makes more than 200 calls",
	"x=" + strings.Repeat("x", 9000) + "; while :; do echo $x; done":            "bytes",
	"x=" + strings.Repeat("x", 9000) + "; while :; do cat <<E\n$x\nE\ndone":     "bytes",
	"x=" + strings.Repeat("x", 9000) + "; while :; do echo $x >>f; done":        "bytes",
	"x=$(x=" + strings.Repeat("x", 9000) + "; while :; do echo $x; done)":       "bytes",
	"echo x >f; while :; do cat <f >g; cat <g >>f; done":                        "it writes more than 4194304 bytes",
	"set -x; x=" + strings.Repeat("x", 9000) + "; while :; do : $x; done":       "bytes",
	"printf %999999d%999999d%999999d 1":                                         "a lab's script has no printf '%1000s'",
	"printf '" + strings.Repeat("x%s", 3000) + "' " + strings.Repeat("a ", 900): "it writes more than",
	"f() { f; }; f":                       "a lab's script has no f() { ...; }",
	"true & true":                         "a lab's script has no COMMAND &",
	": ${x:=$y$y} ${z:=$x$x}":             "a lab's script has no ${NAME:=VALUE}",
	"a=$z$z b=$a$a true":                  "a lab's script has no NAME=$VALUE COMMAND",
	"echo {1..100000000}":                 "a lab's script has no {A,B}: quote it",
	"echo " + strings.Repeat("{a,b}", 40): "a lab's script has no {A,B}: quote it",
	"x=a; y=b; echo ${x#$y}":              "a pattern is plain text of at most 100 bytes",
	"case a in " + strings.Repeat("?*", 80) + ") ;; esac":             "a pattern is plain text of at most 100 bytes",
	"x=x; echo " + strings.Repeat("$x", 51):                           "a command has at most 50 variables",
	strings.Repeat("true\n", 4000):                                    "a script has at most 16384 bytes",
	strings.Repeat("${a:-", 3000) + strings.Repeat("}", 1000):         "",
	strings.Repeat("{ ", 2000) + "true" + strings.Repeat("; }", 2000): "it is nested too deep",
	"echo " + strings.Repeat("$(", 2000) + strings.Repeat(")", 2000):  "it is nested too deep",
	"eval true":      "can't run eval",
	"trap true EXIT": "can't run trap",
	"aws ec2 describe-vpcs --query '" + strings.Repeat("[@,@]|", 60) + "@'":                                              "a --query has at most 512 bytes and 10 commas",
	"aws ec2 describe-vpcs --query '" + strings.Repeat("(", 3000) + "'":                                                  "a --query has at most 512 bytes and 10 commas",
	"aws ec2 describe-vpcs --query '" + strings.Repeat("to_string([", 20) + "@" + strings.Repeat("])", 20) + "'":         "a --query has neither to_string nor join",
	"aws ec2 describe-vpcs --query \"" + strings.Repeat("join(", 4) + "'x'" + strings.Repeat(",Vpcs[].VpcId)", 4) + "\"": "a --query has neither to_string nor join",
	// Patterns are compiled each time, and tried on all of a word.
	"while :; do case " + strings.Repeat("a", 29) + " in " + strings.Repeat(slow+"|", 320) + "b) ;; esac; done":                      "it tries more than 2000 patterns",
	fill + "while :; do : " + strings.Repeat("${x##"+all+"}", 40) + "; done":                                                         "its patterns are tried on more than 1048576 bytes",
	fill + "while :; do case $x$x$x$x$x$x$x$x$x$x in " + strings.Repeat(slow+"|", 30) + "b) ;; esac; done":                           "its patterns are tried on more than 1048576 bytes",
	"set -- " + strings.Repeat("a", 9000) + "; set -- $1$1$1$1$1$1; while :; do : " + strings.Repeat("${1##"+all+"}", 12) + "; done": "its patterns are tried on more than 1048576 bytes",
	"set -- " + strings.Repeat("a ", 1000) + "; while :; do : " + strings.Repeat("${@##"+all+"}", 40) + "; done":                     "a lab's script has no ${@#PATTERN}",
	fill + "while :; do cat <<E\n" + strings.Repeat("${x##"+all+"}", 20) + "\nE\ndone":                                               "its patterns are tried on more than 1048576 bytes",
	fill + "while : ${x##" + all + "}; do true; done":                                                                                "its patterns are tried on more than 1048576 bytes",
	"case $(aws ec2 describe-vpcs) in a) ;; esac":                                                                                    "a lab's script has no case $(COMMAND) in",

	"shift -1":       "a lab's script has no shift -1",
	"n=-9; shift $n": "a lab's script has no shift -9",
	"aws ec2 create-tags --resources x --tags '" + strings.Repeat("[", 9000) + "'":          "",
	"aws ec2 create-tags --resources x --tags 'Key=" + strings.Repeat("[", 9000) + "'":      "",
	"aws ec2 create-tags --resources x --tags 'Key=a" + strings.Repeat(",b", 7000) + "'":    "",
	"aws ec2 create-tags --resources x --tags Key=" + strings.Repeat("a", 9000) + ",Valu=b": "",
	"aws ec2 " + strings.Repeat("describe-vpcs", 1000) + "\n":                               "there is no operation",
}

// slow is a pattern of which nothing is known before a word's end, and all one that
// matches at its end only; fill makes a variable x of nearly the most that there may be.
var (
	slow = all + "b"
	all  = strings.Repeat("*?", 22) + "*"
	fill = "x=" + strings.Repeat("a", 6000) + "; x=$x$x$x$x$x$x$x$x$x$x; "
)

// Scripts that are made to keep a machine busy end, soon, and say by which bound.
func TestBombs(t *testing.T) {
	for text, want := range bombs {
		name := text[:min(len(text), 40)]
		labtest.Bounded(t, func() {
			Check(text, nil)
			_, err := (&Runner{API: &record{answers: answers}}).Run(t.Context(), text, nil)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s...: %.300v, want %q", name, err, want)
			}
		})
	}
}

// answers give some VPCs.
var answers = map[string]func(in, out any) error{
	"DescribeVpcs": func(_, out any) error {
		for i := range 20 {
			id := fmt.Sprintf("vpc-%017x", i)
			out.(*wire.DescribeVpcsResult).Vpcs = append(out.(*wire.DescribeVpcsResult).Vpcs, wire.Vpc{VpcId: &id})
		}
		return nil
	},
}

// What is wrong is said in few words: of a value of any size, with a suggestion only
// where there is one, and a line only where it is known.
func TestMessages(t *testing.T) {
	long := strings.Repeat("x", 15000)
	for text, want := range map[string]string{
		"aws ec2 " + long:                                     "there is no operation aws ec2 xxx",
		"aws ec2 create-vpc --" + long + " a":                 "there is no option --xxx",
		"aws ec2 create-vpc " + long:                          "in place of \"xxx",
		"aws ec2 describe-vpcs --query '" + long[:500] + "['": "is no JMESPath",
		"aws ec2 run-instances --placement Zz9=1":             "there is no Zz9",
		long: "can't run xxx",
		"x=" + long + "\nfor i in 1 2 3 4 5 6 7 8 9; do for i in 1 2 3 4 5 6 7 8 9; do for i in 1 2 3 4 5; do\ncat <<E >f\n$x\nE\ndone; done; done":     "line 3 of the script",
		"x=" + long + "\nfor i in 1 2 3 4 5 6 7 8 9; do for i in 1 2 3 4 5 6 7 8 9; do for i in 1 2 3 4 5; do\necho $x >f; cat <f >g\ndone; done; done": "line 3 of the script",
	} {
		_, err := (&Runner{API: &record{}}).Run(t.Context(), text, nil)
		if got := fmt.Sprint(err); len(got) > 2000 || !strings.Contains(got, want) || strings.Contains(got, "mean ?") || strings.Contains(got, "line 0") {
			t.Errorf("%.40s: %d bytes: %.300s; want %q", text, len(got), got, want)
		}
	}
}

// What solutions do goes on as in a shell.
func TestWatchedLikeAShell(t *testing.T) {
	for text, want := range map[string]string{
		"a=1 b=2; echo $a$b":                                   "12\n",
		"x=$(false) || echo refused":                           "refused\n",
		"if x=$(false); then echo yes; else echo no; fi":       "no\n",
		"! x=$(false) && echo not":                             "not\n",
		"for i in a b; do x=$i$i; echo $x; done":               "aa\nbb\n",
		"i=; while [ \"$i\" != xxx ]; do i=x$i; done; echo $i": "xxx\n",
		"x=a.b; echo ${x%.b} ${x#a.} ${y:-none} ${#x}":         "a b none 3\n",
		"cat <<E >f\n$(echo in)\nE\ncat <f | cat":              "in\n",
		"x=ab; ! case $x in a?) false ;; esac && echo ok":      "ok\n",
		"x=ab; for i in ${x%b} c; do echo $i; done":            "a\nc\n",
		"x=ab; echo $(cat <<E\n${x#a}\nE\n)":                   "b\n",
		"x=ab; cat <<E >f; cat <f | cat\n${x#a}\nE\n":          "b\n",
		"x=ab; y=1 z=${x#a}; echo $y$z":                        "1b\n",
		"x=ab; if [ ${x#a} = b ]; then echo yes; fi":           "yes\n",
		"x=ab; ( exit ${x#ab} ); echo ${x#a}":                  "b\n",
		"case x in y) echo y ;; *) echo other ;; esac":         "other\n",
		"( x=2; echo $x ); z=1; printf '%s-%02d\\n' a $z":      "2\na-01\n",
		"echo ~ ~root ~root/a $HOME; x=~root; echo $x":         "~ ~root ~root/a ~\n~root\n",
		"set -- a b c; shift 2; echo $1":                       "c\n",
		"x=$(false); echo never":                               "",
	} {
		var out strings.Builder
		_, err := (&Runner{API: &record{}, Out: &out}).Run(context.Background(), text, nil)
		if out.String() != want || (err != nil) != (want == "") {
			t.Errorf("%s: %q, %v; want %q", text, out.String(), err, want)
		}
	}
}

// A script comes from a stranger: whatever it is, it ends soon, and in a small room.
func FuzzScript(f *testing.F) {
	for text := range bombs {
		if len(text) < 4<<10 {
			f.Add(text)
		}
	}
	f.Add("vpc=$(aws ec2 create-vpc --cidr-block 10.0.0.0/16 --query Vpc.VpcId --output text)\ncat >a.sh <<'E'\n#!/bin/sh\nE\naws ec2 run-instances --image-id $vpc --user-data file://a.sh\n")
	f.Add("for port in 22 80; do\n  [ $port != None ] || aws ec2 create-tags --resources $a --tags 'Key=a,Value=b'\ndone\n")
	f.Fuzz(func(t *testing.T, s string) {
		labtest.Bounded(t, func() {
			Check(s, []string{"a"})
			(&Runner{API: &record{answers: answers}}).Run(t.Context(), s, map[string]string{"a": "vpc-1"})
		})
	})
}
