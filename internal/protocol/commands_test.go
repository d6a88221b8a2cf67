package protocol

import (
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/peal-rtc/peal/internal/protocol/pealv1"
)

// TestCommandCallID holds that the call of every command that has one is found, also of
// those that are yet to come.
func TestCommandCallID(t *testing.T) {
	commands := (&pealv1.ClientFrame{}).ProtoReflect().Descriptor().Oneofs().ByName("command").Fields()
	for i := range commands.Len() {
		f := &pealv1.ClientFrame{}
		command := f.ProtoReflect().Mutable(commands.Get(i)).Message()
		field := command.Descriptor().Fields().ByName("call_id")
		if field != nil {
			command.Set(field, protoreflect.ValueOfString("this"))
		}
		id, ok := commandCallID(f)
		if ok != (field != nil) || ok && id != "this" {
			t.Errorf("%s: the call is %q, %v", commands.Get(i).Name(), id, ok)
		}
	}
}
