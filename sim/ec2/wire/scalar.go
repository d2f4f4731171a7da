package wire

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// timeForm is how EC2 writes a time.
const timeForm = "2006-01-02T15:04:05.000Z"

// timeForms are what it reads.
var timeForms = []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04Z07:00", "2006-01-02"}

// formatScalar writes a value that has no members.
func formatScalar(v reflect.Value) string {
	switch v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Bool:
		return strconv.FormatBool(v.Bool())
	case reflect.Int, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10)
	case reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	case reflect.Struct:
		return v.Interface().(time.Time).UTC().Format(timeForm)
	case reflect.Slice:
		return base64.StdEncoding.EncodeToString(v.Bytes())
	}
	panic(fmt.Sprintf("wire: a value of type %s in a shape", v.Type()))
}

// parseScalar sets v, which is no pointer, from its text. It returns "", or what
// was expected instead.
func parseScalar(s string, v reflect.Value) (expected string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(s)
	case reflect.Bool:
		return parseBool(s, v)
	case reflect.Int:
		return parseInt(s, v, 32) // EC2's integer; its long is Go's int64
	case reflect.Int64:
		return parseInt(s, v, 64)
	case reflect.Float64:
		n, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return "a number"
		}
		v.SetFloat(n)
	case reflect.Struct:
		return parseTime(s, v)
	case reflect.Slice:
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return "base64"
		}
		v.SetBytes(b)
	default:
		panic(fmt.Sprintf("wire: a value of type %s in a shape", v.Type()))
	}
	return ""
}

func parseBool(s string, v reflect.Value) string {
	switch strings.ToLower(s) {
	case "true", "1":
		v.SetBool(true)
	case "false", "0":
		v.SetBool(false)
	default:
		return "true or false"
	}
	return ""
}

func parseInt(s string, v reflect.Value, bits int) string {
	n, err := strconv.ParseInt(s, 10, bits)
	if err != nil {
		return "an integer"
	}
	v.SetInt(n)
	return ""
}

func parseTime(s string, v reflect.Value) string {
	for _, form := range timeForms {
		if t, err := time.Parse(form, s); err == nil {
			v.Set(reflect.ValueOf(t.UTC()))
			return ""
		}
	}
	return "a date and time in ISO 8601 form"
}
