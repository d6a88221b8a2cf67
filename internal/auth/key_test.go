package auth

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestKeysValidate(t *testing.T) {
	for name, keys := range map[string]Keys{
		"none":     {},
		"short":    {"k1": Secret("0123456789abcdef0123456789abcde")},
		"no id":    {"": good},
		"long id":  {strings.Repeat("k", 65): good},
		"one weak": {"k1": good, "k2": nil},
	} {
		if err := keys.Validate(); err == nil {
			t.Errorf("%s: taken", name)
		}
		if _, err := NewVerifier(keys, 0); err == nil {
			t.Errorf("%s: verifies", name)
		}
	}
}

func TestKeepSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "secret")
	if _, err := ReadSecret(path); err == nil {
		t.Error("reads what is not there")
	}
	first, err := KeepSecret(path)
	if err != nil {
		t.Fatal(err)
	}
	again, err := KeepSecret(path)
	if err != nil || !bytes.Equal(first, again) {
		t.Errorf("made another one: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 1 {
		t.Errorf("left behind %v, %v", files, err)
	}
	if err := os.WriteFile(path, []byte("cut"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := KeepSecret(path); err == nil || !strings.Contains(err.Error(), "delete it") {
		t.Errorf("a damaged file: %v", err)
	}
}

func TestSecretHides(t *testing.T) {
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, Keys{"k1": good}); strings.Contains(text, "0123") {
			t.Errorf("%s shows %s", verb, text)
		}
	}
}
