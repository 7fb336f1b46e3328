/* Credentials of the core's experimental TLS interface, and its external verifier: the one file
 * that knows them. */
#include "mesh/core_private.h"

#include <errno.h>
#include <grpc/support/string_util.h>
#include <stdlib.h>
#include <unistd.h>

static bool readable(const char *file, const char *what, struct aion_err *err)
{
    if (file == NULL || file[0] == '\0')
        return aion_fail(err, AION_INVALID, "no %s file is given", what);
    if (access(file, R_OK) == 0)
        return true;
    return aion_fail_errno(err, AION_UNAVAILABLE, "%s file \"%s\" cannot be read", what, file);
}

static bool files_readable(const struct mesh_tls *tls, struct aion_err *err)
{
    return readable(tls->ca_file, "CA certificate", err) &&
           readable(tls->cert_file, "certificate", err) &&
           readable(tls->key_file, "private key", err);
}

/* Options that watch the files: new handshakes use what is there then. */
static grpc_tls_credentials_options *options_of(const struct mesh_tls *tls)
{
    grpc_tls_certificate_provider *provider = grpc_tls_certificate_provider_file_watcher_create(
        tls->key_file, tls->cert_file, tls->ca_file, tls->reload_s > 0 ? tls->reload_s : 1);
    grpc_tls_credentials_options *options = grpc_tls_credentials_options_create();
    grpc_tls_credentials_options_set_certificate_provider(options, provider);
    grpc_tls_credentials_options_watch_root_certs(options);
    grpc_tls_credentials_options_watch_identity_key_cert_pairs(options);
    grpc_tls_certificate_provider_release(provider);
    return options;
}

grpc_server_credentials *mesh_server_credentials(const struct mesh_tls *tls,
                                                 struct aion_err *err)
{
    if (!files_readable(tls, err))
        return NULL;
    grpc_tls_credentials_options *options = options_of(tls);
    grpc_tls_credentials_options_set_cert_request_type(
        options, tls->anonymous_peers
                     ? GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY
                     : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    grpc_server_credentials *credentials = grpc_tls_server_credentials_create(options);
    if (credentials == NULL)
        return aion_fail_null(err, AION_UNAVAILABLE,
                              "certificate \"%s\" and key \"%s\" cannot be used",
                              tls->cert_file, tls->key_file);
    return credentials;
}

/* -- the client's check of the server's name ------------------------------ */

struct mesh_client_tls {
    grpc_tls_certificate_verifier_external external; /* the core keeps its address */
    grpc_channel_credentials *credentials;
    char *trust_domain;
    char *peer_service; /* NULL: any */
};

static bool name_matches(const struct mesh_client_tls *tls, const char *uri)
{
    struct mesh_peer peer;
    struct mesh_principal principal;
    if (!mesh_spiffe_parse(aion_str_of(uri), tls->trust_domain, &peer, &principal))
        return false;
    return tls->peer_service == NULL || aion_str_is(peer.service, tls->peer_service);
}

/* Runs in the handshake, on a thread of the core. 1 = answered at once. */
static int verify(void *user, grpc_tls_custom_verification_check_request *request,
                  grpc_tls_on_custom_verification_check_done_cb done, void *argument,
                  grpc_status_code *ret_status, char **ret_details)
{
    const struct mesh_client_tls *tls = user;
    (void)done;
    (void)argument;
    size_t count = request->peer_info.san_names.uri_names_size;
    const char *uri = count == 1 ? request->peer_info.san_names.uri_names[0] : "";
    if (name_matches(tls, uri)) {
        *ret_status = GRPC_STATUS_OK;
        return 1;
    }
    char text[512];
    snprintf(text, sizeof(text), "the server is \"%.200s\", expected spiffe://%s/service/%s",
             uri, tls->trust_domain, tls->peer_service != NULL ? tls->peer_service : "*");
    *ret_status = GRPC_STATUS_UNAUTHENTICATED;
    *ret_details = gpr_strdup(text);
    return 1;
}

static void cancel(void *user, grpc_tls_custom_verification_check_request *request)
{
    (void)user;
    (void)request;
}

/* The core calls this when nothing uses the verifier any more: connections may outlive their
 * channel. */
static void destruct(void *user)
{
    struct mesh_client_tls *tls = user;
    free(tls->trust_domain);
    free(tls->peer_service);
    free(tls);
}

struct mesh_client_tls *mesh_client_tls_new(const struct mesh_tls *tls,
                                            const char *peer_service, struct aion_err *err)
{
    if (!files_readable(tls, err))
        return NULL;
    struct mesh_client_tls *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return aion_fail_null(err, AION_UNAVAILABLE, "out of memory");
    made->trust_domain = strdup(tls->trust_domain != NULL ? tls->trust_domain : "aion.local");
    made->peer_service = peer_service != NULL ? strdup(peer_service) : NULL;
    made->external = (grpc_tls_certificate_verifier_external){made, verify, cancel, destruct};
    grpc_tls_certificate_verifier *verifier =
        grpc_tls_certificate_verifier_external_create(&made->external);
    grpc_tls_credentials_options *options = options_of(tls);
    grpc_tls_credentials_options_set_certificate_verifier(options, verifier);
    grpc_tls_credentials_options_set_check_call_host(options, 0);
    grpc_tls_certificate_verifier_release(verifier);
    made->credentials = grpc_tls_credentials_create(options);
    return made;
}

grpc_channel_credentials *mesh_client_credentials(struct mesh_client_tls *tls)
{
    return tls->credentials;
}

void mesh_client_tls_free(struct mesh_client_tls *tls)
{
    if (tls != NULL)
        grpc_channel_credentials_release(tls->credentials); /* the rest goes with destruct */
}
