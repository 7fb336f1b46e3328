/* What the bare server and the load client share: the core's credentials from files. */
#ifndef BENCH_CORE_H
#define BENCH_CORE_H

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <stdio.h>
#include <stdlib.h>

static inline grpc_tls_credentials_options *bench_tls(char *const files[3])
{
    grpc_tls_certificate_provider *provider =
        grpc_tls_certificate_provider_file_watcher_create(files[2], files[1], files[0], 60);
    grpc_tls_credentials_options *options = grpc_tls_credentials_options_create();
    grpc_tls_credentials_options_set_certificate_provider(options, provider);
    grpc_tls_credentials_options_watch_root_certs(options);
    grpc_tls_credentials_options_watch_identity_key_cert_pairs(options);
    grpc_tls_certificate_provider_release(provider);
    return options;
}

#endif
