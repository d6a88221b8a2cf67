//go:build linux

package sqlstore

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// disk is how SQLite reads and writes in some tests: as it does otherwise, with
// faults. Its functions stand in the tables of SQLite's own layer for files, which
// are copied.
type disk struct {
	// write and sync, where they are set, are asked before each write and each flush
	// of a file whose name ends so; a result other than SQLITE_OK is returned to SQLite.
	write func(name string, size, offset int64) int32
	sync  func(name string) int32
}

var (
	faultyDisk  atomic.Pointer[disk]
	diskOnce    sync.Once
	openOf      func(*libc.TLS, uintptr, uintptr, uintptr, int32, uintptr) int32
	methodsOf   sync.Map // From the methods of a file's kind to methods with faults,
	plainOf     sync.Map // and back.
	diskNames   sync.Map // From open files to names.
	diskVFSName = "faulty"
)

// at is what SQLite has at an address, in memory of its own.
func at[T any](address uintptr) *T { return *(**T)(unsafe.Pointer(&address)) }

// useDisk has the connections that name diskVFSName use a disk, one test at a time.
func useDisk(t *testing.T, d *disk) {
	t.Helper()
	diskOnce.Do(registerDisk)
	if !faultyDisk.CompareAndSwap(nil, d) {
		t.Fatal("two tests use a disk at once")
	}
	t.Cleanup(func() { faultyDisk.Store(nil) })
}

func registerDisk() {
	tls := libc.NewTLS()
	plain := at[sqlite3.Tsqlite3_vfs](sqlite3.Xsqlite3_vfs_find(tls, 0))
	faulty := at[sqlite3.Tsqlite3_vfs](libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(*plain))))
	*faulty = *plain
	name, err := libc.CString(diskVFSName)
	if err != nil {
		panic(err)
	}
	faulty.FzName = name
	openOf = *(*func(*libc.TLS, uintptr, uintptr, uintptr, int32, uintptr) int32)(unsafe.Pointer(&plain.FxOpen))
	*(*func(*libc.TLS, uintptr, uintptr, uintptr, int32, uintptr) int32)(unsafe.Pointer(&faulty.FxOpen)) = openFaulty
	if rc := sqlite3.Xsqlite3_vfs_register(tls, uintptr(unsafe.Pointer(faulty)), 0); rc != sqlite3.SQLITE_OK {
		panic(fmt.Sprint("register a layer for files: ", rc))
	}
}

func openFaulty(tls *libc.TLS, vfs, name, file uintptr, flags int32, outFlags uintptr) int32 {
	rc := openOf(tls, vfs, name, file, flags, outFlags)
	f := at[sqlite3.Tsqlite3_file](file)
	if rc != sqlite3.SQLITE_OK || f.FpMethods == 0 {
		return rc
	}
	diskNames.Store(file, libc.GoString(name))
	if with, known := methodsOf.Load(f.FpMethods); known {
		f.FpMethods = with.(uintptr)
		return rc
	}
	plain := at[sqlite3.Tsqlite3_io_methods](f.FpMethods)
	with := at[sqlite3.Tsqlite3_io_methods](libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(*plain))))
	*with = *plain
	*(*func(*libc.TLS, uintptr, uintptr, int32, sqlite3.Tsqlite3_int64) int32)(unsafe.Pointer(&with.FxWrite)) = writeFaulty
	*(*func(*libc.TLS, uintptr, int32) int32)(unsafe.Pointer(&with.FxSync)) = syncFaulty
	plainOf.Store(uintptr(unsafe.Pointer(with)), plain)
	methodsOf.Store(f.FpMethods, uintptr(unsafe.Pointer(with)))
	f.FpMethods = uintptr(unsafe.Pointer(with))
	return rc
}

func plainMethods(file uintptr) *sqlite3.Tsqlite3_io_methods {
	plain, _ := plainOf.Load(at[sqlite3.Tsqlite3_file](file).FpMethods)
	return plain.(*sqlite3.Tsqlite3_io_methods)
}

func nameOf(file uintptr) string {
	name, _ := diskNames.Load(file)
	path := name.(string)
	return path[strings.LastIndexByte(path, '/')+1:]
}

func writeFaulty(tls *libc.TLS, file, from uintptr, size int32, offset sqlite3.Tsqlite3_int64) int32 {
	if d := faultyDisk.Load(); d != nil && d.write != nil {
		if rc := d.write(nameOf(file), int64(size), offset); rc != sqlite3.SQLITE_OK {
			return rc
		}
	}
	write := *(*func(*libc.TLS, uintptr, uintptr, int32, sqlite3.Tsqlite3_int64) int32)(unsafe.Pointer(&plainMethods(file).FxWrite))
	return write(tls, file, from, size, offset)
}

func syncFaulty(tls *libc.TLS, file uintptr, flags int32) int32 {
	if d := faultyDisk.Load(); d != nil && d.sync != nil {
		if rc := d.sync(nameOf(file)); rc != sqlite3.SQLITE_OK {
			return rc
		}
	}
	flush := *(*func(*libc.TLS, uintptr, int32) int32)(unsafe.Pointer(&plainMethods(file).FxSync))
	return flush(tls, file, flags)
}
