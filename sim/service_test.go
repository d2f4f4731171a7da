package sim

import (
	"reflect"
	"strings"
	"testing"
)

func TestUserDataParts(t *testing.T) {
	for name, c := range map[string]struct {
		script  string
		service Service
	}{
		"both":        {"#!/bin/sh\necho hello\n", Service{Command: []string{"httpd", "-p", "80"}, Environment: []string{"A=1", "B=x y"}, Dir: "/srv", User: "ec2-user"}},
		"no script":   {"", Service{Command: []string{"true"}}},
		"no line end": {"#!/bin/sh\necho x", Service{Command: []string{"a\nb", "--labsim-"}}},
		"like a part": {"#!/bin/sh\n--labsim-000\nContent-Type: text/x-shellscript\n\n", Service{Command: []string{"true"}}},
		"CRLF, tabs":  {"#!/bin/sh\r\n\techo\r\n\r\n", Service{Command: []string{"true"}}},
	} {
		doc, err := JoinUserData(c.script, c.service)
		if err != nil {
			t.Fatal(err)
		}
		if !MultipartUserData([]byte(doc)) {
			t.Errorf("%s: not known as multipart:\n%s", name, doc)
		}
		script, service, err := SplitUserData([]byte(doc))
		if err != nil || string(script) != c.script || service == nil || !reflect.DeepEqual(*service, c.service) {
			t.Errorf("%s: got %q, %+v, %v", name, script, service, err)
		}
	}
}

func TestUserDataRefused(t *testing.T) {
	doc := func(parts ...string) string {
		s := "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"
		for _, p := range parts {
			s += "--b\nContent-Type: " + p + "\n"
		}
		return s + "--b--\n"
	}
	for name, c := range map[string]struct{ doc, want string }{
		"cloud-config":       {doc("text/cloud-config\n\npackages: [x]"), "text/cloud-config"},
		"two scripts":        {doc("text/x-shellscript\n\n#!a", "text/x-shellscript\n\n#!b"), "part 2"},
		"no command":         {doc("text/x-labsim-service\n\n{}"), "without a command"},
		"no JSON":            {doc("text/x-labsim-service\n\nx"), "part 1"},
		"no end":             {"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/x-shellscript\n\n#!a", "EOF"},
		"no boundary at all": {"Content-Type: multipart/mixed\n\n", ""},
		"not multipart":      {"Content-Type: text/plain\n\nx", "not multipart"},
	} {
		if _, _, err := SplitUserData([]byte(c.doc)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
	if MultipartUserData([]byte("#!/bin/sh\n")) {
		t.Error("a script is taken for multipart")
	}
}
