package client

import (
	"errors"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/peal-rtc/peal/internal/device"
	"github.com/peal-rtc/peal/internal/protocol"
)

// checkText refuses a wish with text that is not UTF-8: no encoding has a form for it, and a
// frame that cannot be encoded would cost the connection.
func checkText(in device.Input) error {
	var message proto.Message
	switch in := in.(type) {
	case device.Invite:
		message = in.Invite
	case device.Accept:
		message = in.Accept
	case device.Ask:
		message = in.Command
	default:
		return nil // The others hold ids of calls alone.
	}
	if field := brokenText(message.ProtoReflect()); field != "" {
		return readError(protocol.BadRequest.Because("%s is not UTF-8: encode the text as UTF-8", field))
	}
	return nil
}

// brokenText names a field whose text is not UTF-8; empty where there is none.
func brokenText(m protoreflect.Message) (field string) {
	check := func(fd protoreflect.FieldDescriptor, v protoreflect.Value) {
		switch {
		case fd.Kind() == protoreflect.StringKind && !utf8.ValidString(v.String()):
			field = string(fd.Name())
		case fd.Message() != nil:
			field = brokenText(v.Message())
		}
	}
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if !fd.IsList() {
			check(fd, v)
			return field == ""
		}
		for i := 0; i < v.List().Len() && field == ""; i++ {
			check(fd, v.List().Get(i))
		}
		return field == ""
	})
	return field
}

// checkToken refuses a token that no frame could hold.
func checkToken(token string) error {
	if !utf8.ValidString(token) {
		return errors.New("Config.Token gave text that is not UTF-8: give the token as your backend made it")
	}
	return nil
}
