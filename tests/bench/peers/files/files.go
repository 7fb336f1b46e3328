// Package files makes TLS configurations from the files that every peer is given: CA, certificate, key.
package files

import (
	"crypto/tls"
	"crypto/x509"
	"log"
	"os"
)

func load(ca, cert, key string) (*x509.CertPool, tls.Certificate) {
	pem, err := os.ReadFile(ca)
	if err != nil {
		log.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		log.Fatal(err)
	}
	return pool, pair
}

// Server demands a client certificate of the CA.
func Server(ca, cert, key string) *tls.Config {
	pool, pair := load(ca, cert, key)
	return &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
		MinVersion: tls.VersionTLS12}
}

// Client shows its certificate and expects "localhost".
func Client(ca, cert, key string) *tls.Config {
	pool, pair := load(ca, cert, key)
	return &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: pool, ServerName: "localhost", MinVersion: tls.VersionTLS12}
}
