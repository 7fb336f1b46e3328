// POST /v1/tasks by grpc-gateway: gateway UPSTREAM CA CERT KEY; prints "ready PORT".
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"

	"aion.local/peers/files"
	"aion.local/peers/gen/aionv1"
	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

func main() {
	creds := credentials.NewTLS(files.Client(os.Args[2], os.Args[3], os.Args[4]))
	connection, err := grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(creds))
	if err != nil {
		log.Fatal(err)
	}
	mux := runtime.NewServeMux()
	if err := aionv1.RegisterAionTasksHandler(context.Background(), mux, connection); err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("ready", listener.Addr().(*net.TCPAddr).Port)
	log.Fatal(http.Serve(listener, mux))
}
