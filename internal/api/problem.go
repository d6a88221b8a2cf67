package api

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/peal-rtc/peal/internal/protocol"
)

// problem is an error of the server API (RFC 9457).
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	// Code is the stable name: of the wire's catalogue, or one of those here.
	Code string `json:"code"`
	// Detail says what is wrong with this request, and what to do.
	Detail    string `json:"detail"`
	Retry     bool   `json:"retry"`
	RequestID string `json:"requestId"`
}

// The codes of the server API beside those of the wire.
const (
	invalidKey       protocol.Code = "invalid_key"
	conflict         protocol.Code = "conflict"
	missingScope     protocol.Code = "missing_scope"
	notFound         protocol.Code = "not_found"
	methodNotAllowed protocol.Code = "method_not_allowed"
	tooManyRequests  protocol.Code = "too_many_requests"
)

// titles say in a few words what each code of the server API means.
var titles = map[protocol.Code]string{
	protocol.BadRequest:  "The request is not valid",
	protocol.NoSuchCall:  "There is no such call",
	protocol.Unavailable: "The server cannot do this now",
	invalidKey:           "The API key is missing or wrong",
	conflict:             "The request does not fit the present state",
	missingScope:         "The API key lacks the scope of the route",
	notFound:             "There is no such route",
	methodNotAllowed:     "The route takes another method",
	tooManyRequests:      "Too many requests",
}

// statuses are the HTTP statuses of the codes.
var statuses = map[protocol.Code]int{
	protocol.BadRequest:  http.StatusBadRequest,
	protocol.NoSuchCall:  http.StatusNotFound,
	protocol.Unavailable: http.StatusServiceUnavailable,
	invalidKey:           http.StatusUnauthorized,
	conflict:             http.StatusConflict,
	missingScope:         http.StatusForbidden,
	notFound:             http.StatusNotFound,
	methodNotAllowed:     http.StatusMethodNotAllowed,
	tooManyRequests:      http.StatusTooManyRequests,
}

// deny answers by a problem.
func deny(w http.ResponseWriter, code protocol.Code, format string, args ...any) {
	status := statuses[code]
	p := problem{
		Type: "urn:peal:error:" + string(code), Title: titles[code], Status: status, Code: string(code),
		Detail: fmt.Sprintf(format, args...), Retry: status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests,
		RequestID: w.Header().Get(requestIDHeader),
	}
	text, err := json.Marshal(p)
	if err != nil {
		panic(fmt.Sprintf("encode problem: %v", err)) // Its fields are texts and numbers.
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n'))
}
