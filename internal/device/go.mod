module github.com/peal-rtc/peal/internal/device

go 1.26.0

require (
	github.com/google/go-cmp v0.7.0
	github.com/peal-rtc/peal/internal/protocol v0.1.0
	google.golang.org/protobuf v1.36.12
)

// The modules of this repository are released together; here one sees the other’s folder.
replace github.com/peal-rtc/peal/internal/protocol => ../../internal/protocol
