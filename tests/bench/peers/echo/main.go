// The unary echo by grpc-go: echo [CA CERT KEY]; prints "ready PORT".
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"

	"aion.local/peers/files"
	"aion.local/peers/gen/bench"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

type server struct {
	bench.UnimplementedEchoServer
}

func (server) Unary(_ context.Context, in *bench.Msg) (*bench.Msg, error) {
	return in, nil
}

func main() {
	var options []grpc.ServerOption
	if len(os.Args) == 4 {
		options = append(options, grpc.Creds(credentials.NewTLS(files.Server(os.Args[1], os.Args[2], os.Args[3]))))
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	s := grpc.NewServer(options...)
	bench.RegisterEchoServer(s, server{})
	fmt.Println("ready", listener.Addr().(*net.TCPAddr).Port)
	log.Fatal(s.Serve(listener))
}
