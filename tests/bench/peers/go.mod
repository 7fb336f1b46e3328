// The Go peers of tests/bench: an echo server by grpc-go, a gateway by grpc-gateway. tests/bench/run generates gen/.
module aion.local/peers

go 1.25.0

require (
	github.com/grpc-ecosystem/grpc-gateway/v2 v2.33.0
	google.golang.org/grpc v1.85.0
	google.golang.org/protobuf v1.36.12
)
