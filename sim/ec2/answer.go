package ec2

import (
	"bytes"
	"encoding/xml"
	"errors"
	"net/http"
	"strconv"

	"labsim/sim"
)

// Codes that name a fault of HTTP; they have statuses of their own.
const (
	codeNotFound = "NotFound"
	codeMethod   = "MethodNotAllowed"
	codeTooLarge = "RequestEntityTooLarge"
)

// statuses of the codes that don't have 400 (EC2 API Reference, "Error codes",
// and what EC2 answers).
var statuses = map[string]int{
	codeNotFound:                   http.StatusNotFound,
	codeMethod:                     http.StatusMethodNotAllowed,
	codeTooLarge:                   http.StatusRequestEntityTooLarge,
	"AuthFailure":                  http.StatusUnauthorized,
	"UnauthorizedOperation":        http.StatusForbidden,
	"MissingAuthenticationToken":   http.StatusForbidden,
	"IncompleteSignature":          http.StatusForbidden,
	"SignatureDoesNotMatch":        http.StatusForbidden,
	"InvalidClientTokenId":         http.StatusForbidden,
	"OptInRequired":                http.StatusForbidden,
	sim.CodeDryRun:                 http.StatusPreconditionFailed,
	sim.CodeInternalError:          http.StatusInternalServerError,
	sim.CodeUnavailable:            http.StatusServiceUnavailable,
	"InsufficientInstanceCapacity": http.StatusInternalServerError,
}

// answer writes one response.
type answer struct {
	w         http.ResponseWriter
	requestID string
	sts       bool // errors look different there
}

func (a *answer) xml(status int, body []byte) {
	h := a.w.Header()
	h.Set("Content-Type", "text/xml;charset=UTF-8")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-cache, no-store")
	h.Set("X-Amzn-Requestid", a.requestID)
	a.w.WriteHeader(status)
	a.w.Write(body)
}

// fail writes an error's document. What is no error of the API is an internal
// one; its text is for the log, not for the wire.
func (a *answer) fail(err error) {
	var e *sim.Error
	if !errors.As(err, &e) {
		e = sim.Errorf(sim.CodeInternalError, "An internal error has occurred")
	}
	status := statuses[e.Code]
	if status == 0 {
		status = http.StatusBadRequest
	}
	// What is said of an action, a path or a header quotes it: a client prints it.
	body := errorBody{Code: e.Code, Message: sim.Printable(e.Message)}
	var doc any = ec2Error{Errors: []errorBody{body}, RequestID: a.requestID}
	if a.sts {
		body.Type = "Sender"
		doc = stsError{Space: stsNamespace, Error: body, RequestID: a.requestID}
	}
	a.xml(status, document(doc))
}

type ec2Error struct {
	XMLName   xml.Name    `xml:"Response"`
	Errors    []errorBody `xml:"Errors>Error"`
	RequestID string
}

type stsError struct {
	XMLName   xml.Name `xml:"ErrorResponse"`
	Space     string   `xml:"xmlns,attr"`
	Error     errorBody
	RequestID string `xml:"RequestId"`
}

type errorBody struct {
	Type    string `xml:",omitempty"`
	Code    string
	Message string
}

func document(v any) []byte {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	if err := xml.NewEncoder(&b).Encode(v); err != nil {
		panic(err) // structs of strings always marshal
	}
	return b.Bytes()
}
