package wire

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"reflect"
	"strings"
)

const xmlHeader = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

// EncodeXML returns the answer to an operation: out is a pointer to a shape, or
// nil for an operation that says no more than that it was done.
func EncodeXML(action, requestID string, out any) []byte {
	var b bytes.Buffer
	b.WriteString(xmlHeader)
	b.WriteString("<" + action + `Response xmlns="` + Namespace + `"><requestId>` + requestID + "</requestId>")
	if out == nil {
		b.WriteString("<return>true</return>")
	} else {
		encodeMembers(&b, reflect.ValueOf(out).Elem())
	}
	b.WriteString("</" + action + "Response>")
	return b.Bytes()
}

func encodeMembers(b *bytes.Buffer, v reflect.Value) {
	for n, f := range infoOf(v.Type()).fields {
		encodeElement(b, f.xml, f.item, v.Field(n))
	}
}

func encodeElement(b *bytes.Buffer, name, item string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return
		}
		v = v.Elem()
	case reflect.Slice:
		if v.IsNil() {
			return
		}
	}
	open(b, name)
	switch t := v.Type(); {
	case isStruct(t):
		encodeMembers(b, v)
	case t.Kind() == reflect.Slice && !isBlob(t):
		for n := range v.Len() {
			encodeElement(b, item, "", v.Index(n))
		}
	default:
		escape(b, formatScalar(v))
	}
	b.WriteString("</")
	b.WriteString(name)
	b.WriteByte('>')
}

func open(b *bytes.Buffer, name string) {
	b.WriteByte('<')
	b.WriteString(name)
	b.WriteByte('>')
}

// plain are the bytes that stand for themselves in XML. What is beyond ASCII may
// be no character, which EscapeText replaces.
var plain = func() (t [256]bool) {
	for c := byte(' '); c < 0x7f; c++ {
		t[c] = strings.IndexByte(`<>&'"`, c) < 0
	}
	return t
}()

func escape(b *bytes.Buffer, s string) {
	for i := range len(s) {
		if !plain[s[i]] {
			xml.EscapeText(b, []byte(s)) // a Buffer never fails
			return
		}
	}
	b.WriteString(s)
}

// DecodeXML fills out, a pointer to a shape or nil, from the answer to an
// operation. Elements that the shape lacks are skipped.
func DecodeXML(r io.Reader, out any) error {
	if out == nil {
		_, err := io.Copy(io.Discard, r)
		return err
	}
	d := xml.NewDecoder(r)
	for {
		t, err := d.Token()
		if err != nil {
			return fmt.Errorf("answer of the EC2 API: %w", err)
		}
		if _, ok := t.(xml.StartElement); ok {
			return decodeMembers(d, reflect.ValueOf(out).Elem())
		}
	}
}

// decodeMembers reads up to the end of the element that is open.
func decodeMembers(d *xml.Decoder, v reflect.Value) error {
	i := infoOf(v.Type())
	return children(d, func(name string) error {
		n, ok := i.byXML[name]
		if !ok {
			return d.Skip()
		}
		return decodeElement(d, v.Field(n))
	})
}

func decodeElement(d *xml.Decoder, v reflect.Value) error {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	switch t := v.Type(); {
	case isStruct(t):
		return decodeMembers(d, v)
	case t.Kind() == reflect.Slice && !isBlob(t):
		v.Set(reflect.MakeSlice(t, 0, 0))
		return children(d, func(string) error {
			v.Set(reflect.Append(v, reflect.Zero(t.Elem())))
			return decodeElement(d, v.Index(v.Len()-1))
		})
	}
	text, err := characters(d)
	if err != nil {
		return err
	}
	if expected := parseScalar(text, v); expected != "" {
		return fmt.Errorf("answer of the EC2 API: %q, expected %s", shorten(text), expected)
	}
	return nil
}

// children calls f at the start of each element within the one that is open; f
// reads that element to its end.
func children(d *xml.Decoder, f func(name string) error) error {
	for {
		t, err := d.Token()
		if err != nil {
			return fmt.Errorf("answer of the EC2 API: %w", err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			if err := f(t.Name.Local); err != nil {
				return err
			}
		case xml.EndElement:
			return nil
		}
	}
}

func characters(d *xml.Decoder) (string, error) {
	var b strings.Builder
	for {
		t, err := d.Token()
		if err != nil {
			return "", fmt.Errorf("answer of the EC2 API: %w", err)
		}
		switch t := t.(type) {
		case xml.CharData:
			b.Write(t)
		case xml.StartElement:
			if err := d.Skip(); err != nil {
				return "", err
			}
		case xml.EndElement:
			return b.String(), nil
		}
	}
}
