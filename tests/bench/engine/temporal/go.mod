// Temporal's client and worker as a peer of part engine of tests/bench; the server is its own dev server.
module aion.local/temporal

go 1.26.0

require go.temporal.io/sdk v1.51.0
