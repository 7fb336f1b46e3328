/* OpenSSL 3 for server connections. See tls.h. */
#include "http/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

/* Mozilla "intermediate" less DHE: every suite has forward secrecy and is fit for HTTP/2 (RFC
 * 9113 §9.2.2). */
static const char *const ciphers_12 =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

struct gw_tls_context {
    SSL_CTX *ctx;
};

struct gw_tls {
    SSL *ssl;
};

/* The client's first protocol that we speak, ours preferred; none in common is refused (RFC
 * 7301 §3.2). */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                           const unsigned char *in, unsigned in_size, void *user)
{
    static const unsigned char ours[] = "\x02h2\x08http/1.1";
    (void)ssl;
    (void)user;
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, out_size, ours, sizeof(ours) - 1, in, in_size) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static void set_up(SSL_CTX *ctx)
{
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(ctx, ciphers_12);
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    /* idle connections keep no buffers; writes are cut as the socket takes them */
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
}

static bool fail_ssl(struct aion_err *err, const char *what, const char *file)
{
    aion_err_set(err, __func__, AION_UNAVAILABLE, "%s %s", what, file);
    aion_err_detail(err, "%s", ERR_reason_error_string(ERR_peek_last_error()));
    ERR_clear_error();
    return false;
}

static bool load(SSL_CTX *ctx, const char *cert_file, const char *key_file,
                 struct aion_err *err)
{
    if (SSL_CTX_use_certificate_chain_file(ctx, cert_file) != 1)
        return fail_ssl(err, "cannot read a PEM certificate from", cert_file);
    if (SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) != 1)
        return fail_ssl(err, "cannot read a PEM key of that certificate from", key_file);
    if (SSL_CTX_check_private_key(ctx) != 1)
        return fail_ssl(err, "the certificate is not of the key", key_file);
    return true;
}

struct gw_tls_context *gw_tls_context_new(const char *cert_file, const char *key_file,
                                          struct aion_err *err)
{
    struct gw_tls_context *context = calloc(1, sizeof(*context));
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (context == NULL || ctx == NULL)
        abort(); /* at start, or a reload without memory */
    context->ctx = ctx;
    set_up(ctx);
    if (load(ctx, cert_file, key_file, err))
        return context;
    gw_tls_context_free(context);
    return NULL;
}

void gw_tls_context_free(struct gw_tls_context *context)
{
    if (context == NULL)
        return;
    SSL_CTX_free(context->ctx);
    free(context);
}

struct gw_tls *gw_tls_new(struct gw_tls_context *context, int fd)
{
    struct gw_tls *tls = calloc(1, sizeof(*tls));
    if (tls == NULL)
        return NULL;
    tls->ssl = SSL_new(context->ctx);
    if (tls->ssl == NULL || SSL_set_fd(tls->ssl, fd) != 1) {
        gw_tls_free(tls);
        return NULL;
    }
    SSL_set_accept_state(tls->ssl);
    return tls;
}

void gw_tls_free(struct gw_tls *tls)
{
    if (tls == NULL)
        return;
    SSL_free(tls->ssl);
    free(tls);
}

/* What a failed call waits for. OpenSSL's error queue is per thread: it must be empty before
 * the next call. */
static int reason(const struct gw_tls *tls, int result)
{
    int error = SSL_get_error(tls->ssl, result);
    ERR_clear_error();
    if (error == SSL_ERROR_WANT_READ)
        return GW_TLS_READ;
    if (error == SSL_ERROR_WANT_WRITE)
        return GW_TLS_WRITE;
    return error == SSL_ERROR_ZERO_RETURN ? 0 : GW_TLS_GONE;
}

int gw_tls_handshake(struct gw_tls *tls)
{
    int result = SSL_do_handshake(tls->ssl);
    if (result == 1)
        return 0;
    int why = reason(tls, result);
    return why == 0 ? GW_TLS_GONE : why;
}

bool gw_tls_is_h2(const struct gw_tls *tls)
{
    const unsigned char *name;
    unsigned size;
    SSL_get0_alpn_selected(tls->ssl, &name, &size);
    return size == 2 && memcmp(name, "h2", 2) == 0;
}

ssize_t gw_tls_read(struct gw_tls *tls, void *out, size_t size)
{
    size_t got = 0;
    int result = SSL_read_ex(tls->ssl, out, size, &got);
    return result == 1 ? (ssize_t)got : reason(tls, result);
}

ssize_t gw_tls_write(struct gw_tls *tls, const void *bytes, size_t size)
{
    size_t put = 0;
    int result = SSL_write_ex(tls->ssl, bytes, size, &put);
    if (result == 1)
        return (ssize_t)put;
    int why = reason(tls, result);
    return why == 0 ? GW_TLS_GONE : why;
}

bool gw_tls_pending(const struct gw_tls *tls)
{
    return SSL_pending(tls->ssl) > 0;
}

void gw_tls_close(struct gw_tls *tls)
{
    SSL_shutdown(tls->ssl);
    ERR_clear_error();
}
