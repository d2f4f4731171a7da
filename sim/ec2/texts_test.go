package ec2_test

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"

	"labsim/sim/ec2"
	"labsim/sim/ec2/wire"
)

// hostile are what a client may put into any text of a request: what clears a
// screen, ends a string, begins a line of a log, and turns the direction of writing.
var hostile = []string{"a\x1b[2Jb", "a\x00b", "a\nlevel=INFO b", "a\r\nb", "a\u009b2Jb", "a\u202eb", "a\xffb"}

// No answer and no log line has such a character as it came, whichever parameter of
// whichever operation it came in.
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	world, _ := newWorld(t)
	var log bytes.Buffer
	h := ec2.NewHandler(world, ec2.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	send := func(path string, params url.Values, header ...string) {
		t.Helper()
		log.Reset()
		checkHarmless(t, h, &log, path, params, header...)
	}
	seen := 0
	for _, action := range wire.Operations {
		in, _, ok := wire.New(action)
		if !ok {
			t.Fatalf("%s has no shape", action)
		}
		params := texts(reflect.TypeOf(in).Elem())
		seen += len(params)
		for _, bad := range hostile {
			for name, encoded := range params {
				value := bad
				if encoded {
					value = base64.StdEncoding.EncodeToString([]byte("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJQ5Oo7Nn0Ai0W2LqXJ2PSCMkn3Fo1ZkCjHsCiSfXz5d " + bad))
				}
				send("/", url.Values{"Action": {action}, "Version": {wire.APIVersion}, name: {value}})
			}
			send("/", url.Values{"Action": {action}, "Version": {wire.APIVersion}, bad: {"x"}})
			send("/", url.Values{"Action": {action}, "Version": {bad}})
		}
	}
	if seen < 400 {
		t.Errorf("%d parameters were tried, want all", seen)
	}
	for _, bad := range hostile {
		send("/", url.Values{"Action": {bad}, "Version": {wire.APIVersion}})
		send("/", url.Values{"Action": {bad}, "Version": {"2011-06-15"}})
		send("/"+bad, url.Values{"Action": {"DescribeVpcs"}})
		for _, header := range []string{"Authorization", "Content-Type", "X-Amz-Date", "Origin", "Host"} {
			send("/", url.Values{"Action": {"DescribeVpcs"}, "Version": {wire.APIVersion}}, header, strings.Replace(goodAuthorization, "AKIDEXAMPLE", bad, 1))
			send("/", url.Values{"Action": {"DescribeVpcs"}, "Version": {wire.APIVersion}}, header, bad)
		}
	}
}

func checkHarmless(t *testing.T, h http.Handler, log *bytes.Buffer, path string, params url.Values, header ...string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(params.Encode()))
	r.Host, r.URL.Path = "localhost", path
	for line := range strings.SplitSeq(strings.TrimSpace(fuzzedHeader), "\r\n") {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	for i := 0; i < len(header); i += 2 {
		if r.Header.Set(header[i], header[i+1]); header[i] == "Host" {
			r.Host = header[i+1]
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	said := words(w.Body.String())
	for name, values := range w.Header() {
		said = append(said, name)
		said = append(said, values...)
	}
	for _, s := range append(said, slices.Collect(strings.Lines(log.String()))...) {
		if i := strings.IndexFunc(strings.TrimSuffix(s, "\n"), harms); i >= 0 || strings.HasPrefix(s, "level=") {
			t.Errorf("%s %v %q: %d says %q", path, params, header, w.Code, s)
		}
	}
}

func harms(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == unicode.ReplacementChar
}

// words are what a client reads out of an answer: its names and texts, or all of
// what is no XML.
func words(body string) (out []string) {
	for d := xml.NewDecoder(strings.NewReader(body)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return out
		}
		switch x := token.(type) {
		case xml.CharData:
			if s := string(x); strings.Trim(s, " \n") != "" {
				out = append(out, s)
			}
		case xml.StartElement:
			out = append(out, x.Name.Local)
		}
		if err != nil {
			return []string{body}
		}
	}
}

// texts returns the parameters of a request that take a text, and which of them are
// encoded.
func texts(t reflect.Type) map[string]bool {
	out := map[string]bool{}
	var fill func(v reflect.Value, depth int)
	fill = func(v reflect.Value, depth int) {
		switch v.Kind() {
		case reflect.Pointer:
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem(), depth)
		case reflect.Struct:
			for i := range v.NumField() {
				if depth > 0 && v.Field(i).CanSet() {
					fill(v.Field(i), depth-1)
				}
			}
		case reflect.Slice:
			if v.Type().Elem().Kind() == reflect.Uint8 {
				v.SetBytes([]byte("TEXT"))
				return
			}
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			fill(v.Index(0), depth)
		case reflect.String:
			v.SetString("TEXT")
		}
	}
	in := reflect.New(t)
	fill(in.Elem(), 5)
	for name, values := range wire.EncodeQuery(in.Interface()) {
		if encoded := name == "PublicKeyMaterial" || strings.HasPrefix(name, "UserData"); encoded || slices.Contains(values, "TEXT") {
			out[name] = encoded
		}
	}
	return out
}
