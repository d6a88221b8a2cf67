module github.com/peal-rtc/peal/internal/socket

go 1.26.0

require (
	github.com/coder/websocket v1.8.15
	github.com/peal-rtc/peal/internal/protocol v0.1.0
)

require google.golang.org/protobuf v1.36.12 // indirect

// The modules of this repository are released together; here one sees the other’s folder.
replace github.com/peal-rtc/peal/internal/protocol => ../../internal/protocol
