// Package web owns the built web files: the browser component under sdk/,
// the demo under demo/ and the connection doctor under doctor/. make generate builds them into dist from the TypeScript
// sources beside this file; only internal/server reads them. The files are
// fixed when the binary is built, so any goroutine may read them.
package web

import (
	"embed"
	"fmt"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// Files gives the built web files, with sdk, demo and doctor as top folders.
func Files() fs.FS {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		// Only a malformed path fails, and this one is a constant.
		panic(fmt.Sprintf("open embedded web files: %v", err))
	}
	return files
}
