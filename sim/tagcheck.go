package sim

import (
	"path"
	"strings"
	"unicode/utf8"
)

// Check says why t can't be set, or nil: EC2 User Guide, "Tag restrictions", and
// for a tag that labsim itself reads, what that needs. A state of an older labsim
// may hold tags that it refuses.
func (t Tag) Check() error {
	if err := CheckTagKey(t.Key); err != nil {
		return err
	}
	if utf8.RuneCountInString(t.Value) > MaxTagValueLen {
		return Errorf(CodeInvalidParameterValue, "Tag value exceeds the maximum length of %d characters", MaxTagValueLen)
	}
	if err := CheckText("Tag.Key", t.Key); err != nil {
		return err
	}
	if err := CheckText("Tag.Value of "+t.Key, t.Value); err != nil {
		return err
	}
	if want := t.unfit(); want != "" {
		return Errorf(CodeInvalidParameterValue, "Value (%s) for the tag %s is invalid. It must be %s.", t.Value, t.Key, want)
	}
	return nil
}

// CheckTagKey says why no tag can have that key. Characters are not looked at, so
// that a tag of an older state can be named and deleted.
func CheckTagKey(key string) error {
	switch {
	case key == "":
		return Errorf(CodeInvalidParameterValue, "Tag key cannot be empty")
	case strings.HasPrefix(strings.ToLower(key), "aws:"):
		return Errorf(CodeInvalidParameterValue, "Tag keys starting with 'aws:' are reserved for internal use")
	case utf8.RuneCountInString(key) > MaxTagKeyLen:
		return Errorf(CodeInvalidParameterValue, "Tag key exceeds the maximum length of %d characters", MaxTagKeyLen)
	}
	return nil
}

// unfit returns what the value of a tag that labsim reads has to be, where it is
// something else; "" otherwise.
func (t Tag) unfit() string {
	switch {
	case t.Key == TagLab && !IsObjectName(t.Value):
		return "the name of a lab: at most 100 letters, digits, _ . and -, beginning with a letter or digit"
	case t.Key == TagMount && !IsMountPoint(t.Value):
		return "an absolute path such as /data, of letters, digits, _ . and -, and no place that the system lives in: not /, /etc, /usr, /bin or /lib, nor anything in /proc, /sys, /dev or /.labsim"
	case t.Key == TagHostname && !IsHostname(t.Value):
		return "a hostname: labels of letters, digits and hyphens"
	case t.Key == TagInternet && t.Value != InternetReal:
		return InternetReal + "; without the tag the internet is the site's public range"
	}
	return ""
}

// IsObjectName reports whether a name can be a part of the names of the engine's objects.
func IsObjectName(s string) bool {
	return s != "" && len(s) <= 100 && strings.Trim(s, nameChars) == "" && !strings.ContainsRune("_.-", rune(s[0]))
}

const nameChars = letters + "0123456789_.-"

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// IsMountPoint reports whether a volume can be mounted at a path of the guest: a
// plain path, not over what the guest itself lives of.
func IsMountPoint(p string) bool {
	if !path.IsAbs(p) || path.Clean(p) != p || p == "/" || len(p) > MaxTagValueLen || strings.Trim(p, nameChars+"/") != "" {
		return false
	}
	top, rest, _ := strings.Cut(p[1:], "/")
	switch top {
	case "proc", "sys", "dev", ".labsim":
		return false
	case "bin", "sbin", "lib", "lib64", "usr", "etc":
		return rest != ""
	}
	return true
}

// groupChars are what a security group's name and the descriptions of groups and
// rules consist of in a VPC (EC2 API, CreateSecurityGroup).
const groupChars = letters + "0123456789 ._-:/()#,@[]+=&;{}!$*"

// MaxGroupText is how many characters they have at most.
const MaxGroupText = 255

// IsGroupText reports whether s can be a security group's name or description,
// or a rule's description.
func IsGroupText(s string) bool {
	return len(s) <= MaxGroupText && strings.Trim(s, groupChars) == ""
}
