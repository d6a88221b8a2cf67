package sqlstore

import "google.golang.org/protobuf/encoding/protowire"

// pad brings the body of a live call to a multiple of padding. Most changes then leave
// the size of the row as it is, and SQLite writes only those of its pages that differ:
// not again those with the descriptions.
func pad(body []byte) []byte {
	body = protowire.AppendTag(body, paddingField, protowire.BytesType)
	rest := (padding - (len(body)+1)%padding) % padding
	body = append(body, byte(rest)) // A length below 128 is one byte.
	return append(body, make([]byte, rest)...)
}

const (
	padding = 128
	// paddingField is peal.stored.v1.Call.padding.
	paddingField = 15
)
