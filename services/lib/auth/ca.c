/* X.509 by OpenSSL: one CA, short-lived leaves. */
#include "auth/ca.h"

#include "base/file.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <time.h>
#include <unistd.h>

enum { CA_DAYS = 3650, LEAF_DAYS = 30, BACKDATE_S = 300, PEM_MAX = 65536, DAY_S = 86400 };

static void free_key(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}
static void free_cert(X509 **cert)
{
    X509_free(*cert);
}

static bool failed(struct aion_err *err, const char *what)
{
    char reason[160] = "";
    ERR_error_string_n(ERR_get_error(), reason, sizeof(reason));
    ERR_clear_error();
    aion_err_set(err, "auth_ca", AION_UNAVAILABLE, "certificates: cannot %s", what);
    aion_err_detail(err, "%s", reason);
    return false;
}

/* -- files ---------------------------------------------------------------- */

static bool path_of(char out[PATH_MAX], const char *dir, const char *name, const char *ending,
                    struct aion_err *err)
{
    int size = snprintf(out, PATH_MAX, "%s/%s%s", dir, name, ending);
    return (size > 0 && size < PATH_MAX) ||
           aion_fail(err, AION_INVALID, "path too long: %s", dir);
}

static bool write_pem(const char *path, X509 *cert, EVP_PKEY *key, mode_t mode,
                      struct aion_err *err)
{
    BIO *memory = BIO_new(BIO_s_mem());
    bool good = memory != NULL;
    if (good && cert != NULL)
        good = PEM_write_bio_X509(memory, cert) == 1;
    if (good && key != NULL)
        good = PEM_write_bio_PrivateKey(memory, key, NULL, NULL, 0, NULL, NULL) == 1;
    char *data;
    long size = good ? BIO_get_mem_data(memory, &data) : 0;
    good = good ? aion_file_replace(path, aion_str_n(data, (size_t)size), mode, err)
                : failed(err, "encode a certificate");
    BIO_free(memory);
    return good;
}

static BIO *read_pem(const char *path, struct aion_buf *buf, struct aion_err *err)
{
    aion_buf_init(buf, PEM_MAX);
    if (!aion_file_read(path, buf, err))
        return NULL;
    return BIO_new_mem_buf(buf->data != NULL ? buf->data : "", (int)buf->size);
}

static X509 *load_cert(const char *path, struct aion_err *err)
{
    struct aion_buf buf;
    BIO *bio = read_pem(path, &buf, err);
    X509 *cert = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    if (bio != NULL && cert == NULL)
        (void)aion_fail(err, AION_INVALID, "%s holds no certificate", path);
    BIO_free(bio);
    aion_buf_done(&buf);
    ERR_clear_error();
    return cert;
}

static EVP_PKEY *load_key(const char *path, struct aion_err *err)
{
    struct aion_buf buf;
    BIO *bio = read_pem(path, &buf, err);
    EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
    if (bio != NULL && key == NULL)
        (void)aion_fail(err, AION_INVALID, "%s holds no private key", path);
    BIO_free(bio);
    aion_buf_done(&buf);
    ERR_clear_error();
    return key;
}

/* -- making --------------------------------------------------------------- */

static bool add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool good = extension != NULL && X509_add_ext(cert, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return good;
}

/* 127 random bits, positive. */
static bool set_serial(X509 *cert)
{
    BIGNUM *number = BN_new();
    bool good = number != NULL &&
                BN_rand(number, 127, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
                BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) != NULL;
    BN_free(number);
    return good;
}

static bool set_name(X509_NAME *name, const char *common)
{
    return X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC, (const unsigned char *)"AION",
                                      -1, -1, 0) == 1 &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)common,
                                      -1, -1, 0) == 1;
}

/* Version, serial, names, times and key; extensions and signature are the caller's. */
static X509 *new_cert(EVP_PKEY *key, X509 *issuer, const char *common, int64_t now_s,
                      int64_t days)
{
    X509 *cert = X509_new();
    bool good = cert != NULL && X509_set_version(cert, X509_VERSION_3) == 1 &&
                set_serial(cert) && set_name(X509_get_subject_name(cert), common);
    if (good) {
        X509_NAME *by =
            issuer != NULL ? X509_get_subject_name(issuer) : X509_get_subject_name(cert);
        good =
            X509_set_issuer_name(cert, by) == 1 &&
            ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)(now_s - BACKDATE_S)) != NULL &&
            ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)(now_s + days * DAY_S)) != NULL &&
            X509_set_pubkey(cert, key) == 1;
    }
    if (good)
        return cert;
    X509_free(cert);
    return NULL;
}

static bool make_ca(const char *cert_path, const char *key_path, const char *trust_domain,
                    struct aion_err *err)
{
    AION_CLEANUP(free_key) EVP_PKEY *key = EVP_EC_gen("P-256");
    char uri[160], common[128];
    snprintf(uri, sizeof(uri), "URI:spiffe://%s", trust_domain);
    snprintf(common, sizeof(common), "AION CA of %.64s", trust_domain);
    AION_CLEANUP(free_cert)
    X509 *cert = key != NULL ? new_cert(key, NULL, common, time(NULL), CA_DAYS) : NULL;
    if (cert == NULL ||
        !add_extension(cert, cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
        !add_extension(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign") ||
        !add_extension(cert, cert, NID_subject_key_identifier, "hash") ||
        !add_extension(cert, cert, NID_subject_alt_name, uri) ||
        X509_sign(cert, key, EVP_sha256()) == 0)
        return failed(err, "make the CA");
    return write_pem(key_path, NULL, key, 0600, err) &&
           write_pem(cert_path, cert, NULL, 0644, err);
}

bool auth_ca_ensure(const char *dir, const char *trust_domain, struct aion_err *err)
{
    char cert_path[PATH_MAX], key_path[PATH_MAX];
    if (!path_of(cert_path, dir, "ca", ".crt", err) ||
        !path_of(key_path, dir, "ca", ".key", err))
        return false;
    if (access(cert_path, F_OK) != 0 && access(key_path, F_OK) != 0)
        return make_ca(cert_path, key_path, trust_domain, err);
    /* half a CA, or one of somebody else, is never overwritten: leaves in use hang on it */
    AION_CLEANUP(free_cert) X509 *cert = load_cert(cert_path, err);
    AION_CLEANUP(free_key) EVP_PKEY *key = cert != NULL ? load_key(key_path, err) : NULL;
    if (key == NULL)
        return false;
    if (X509_check_private_key(cert, key) == 1)
        return true;
    return aion_fail(err, AION_INVALID, "%s and %s do not belong together", cert_path,
                     key_path);
}

/* -- leaves --------------------------------------------------------------- */

static int64_t seconds_of(const ASN1_TIME *asn1)
{
    struct tm parts;
    return ASN1_TIME_to_tm(asn1, &parts) == 1 ? (int64_t)timegm(&parts) : 0;
}

bool auth_cert_times(const char *file, int64_t *ret_begin, int64_t *ret_end,
                     struct aion_err *err)
{
    AION_CLEANUP(free_cert) X509 *cert = load_cert(file, err);
    if (cert == NULL)
        return false;
    *ret_begin = seconds_of(X509_get0_notBefore(cert));
    *ret_end = seconds_of(X509_get0_notAfter(cert));
    return true;
}

static bool has_uri(X509 *cert, const char *uri)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    bool found = false;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_URI) {
            const ASN1_STRING *text = name->d.uniformResourceIdentifier;
            found = found || aion_str_is(aion_str_n(ASN1_STRING_get0_data(text),
                                                    (size_t)ASN1_STRING_length(text)),
                                         uri);
        }
    }
    GENERAL_NAMES_free(names);
    return found;
}

/* Of this CA, for this id, and with a third of its life to go. */
static bool still_good(const char *cert_path, const char *key_path, X509 *ca, const char *uri,
                       int64_t now_s)
{
    struct aion_err ignored;
    AION_CLEANUP(free_cert) X509 *cert = load_cert(cert_path, &ignored);
    AION_CLEANUP(free_key) EVP_PKEY *key = cert != NULL ? load_key(key_path, &ignored) : NULL;
    if (key == NULL || X509_check_private_key(cert, key) != 1 ||
        X509_verify(cert, X509_get0_pubkey(ca)) != 1 || !has_uri(cert, uri)) {
        ERR_clear_error();
        return false;
    }
    int64_t begin = seconds_of(X509_get0_notBefore(cert)),
            end = seconds_of(X509_get0_notAfter(cert));
    return now_s >= begin && now_s < begin + (end - begin) / 3 * 2;
}

bool auth_leaf_check(const char *ca_file, const char *cert_file, const char *key_file,
                     int64_t now_s, struct aion_err *err)
{
    AION_CLEANUP(free_cert) X509 *ca = load_cert(ca_file, err);
    AION_CLEANUP(free_cert) X509 *cert = ca != NULL ? load_cert(cert_file, err) : NULL;
    AION_CLEANUP(free_key) EVP_PKEY *key = cert != NULL ? load_key(key_file, err) : NULL;
    if (key == NULL)
        return false;
    bool own = X509_check_private_key(cert, key) == 1;
    bool signed_by = own && X509_verify(cert, X509_get0_pubkey(ca)) == 1;
    ERR_clear_error();
    if (!own)
        return aion_fail(err, AION_INVALID, "%s is not the key of %s", key_file, cert_file);
    if (!signed_by)
        return aion_fail(err, AION_INVALID, "%s was not signed by %s", cert_file, ca_file);
    if (now_s < seconds_of(X509_get0_notBefore(cert)))
        return aion_fail(err, AION_INVALID, "%s is not valid yet: is the clock right?",
                         cert_file);
    if (now_s >= seconds_of(X509_get0_notAfter(cert)))
        return aion_fail(err, AION_INVALID, "%s has expired", cert_file);
    return true;
}

static bool make_leaf(const char *cert_path, const char *key_path, X509 *ca, EVP_PKEY *ca_key,
                      const char *name, const char *uri, int64_t now_s, struct aion_err *err)
{
    char names[400];
    snprintf(names, sizeof(names), "URI:%s,DNS:localhost,IP:127.0.0.1,IP:::1", uri);
    AION_CLEANUP(free_key) EVP_PKEY *key = EVP_EC_gen("P-256");
    AION_CLEANUP(free_cert)
    X509 *cert = key != NULL ? new_cert(key, ca, name, now_s, LEAF_DAYS) : NULL;
    if (cert == NULL || !add_extension(cert, ca, NID_basic_constraints, "critical,CA:FALSE") ||
        !add_extension(cert, ca, NID_key_usage, "critical,digitalSignature") ||
        !add_extension(cert, ca, NID_ext_key_usage, "serverAuth,clientAuth") ||
        !add_extension(cert, ca, NID_subject_key_identifier, "hash") ||
        !add_extension(cert, ca, NID_authority_key_identifier, "keyid:always") ||
        !add_extension(cert, ca, NID_subject_alt_name, names) ||
        X509_sign(cert, ca_key, EVP_sha256()) == 0)
        return failed(err, "issue a certificate");
    return write_pem(key_path, NULL, key, 0600, err) &&
           write_pem(cert_path, cert, NULL, 0644, err);
}

static bool load_ca(const char *dir, X509 **ret_cert, EVP_PKEY **ret_key, struct aion_err *err)
{
    char path[PATH_MAX];
    if (!path_of(path, dir, "ca", ".crt", err) || (*ret_cert = load_cert(path, err)) == NULL)
        return false;
    return path_of(path, dir, "ca", ".key", err) && (*ret_key = load_key(path, err)) != NULL;
}

bool auth_leaf_ensure(const char *dir, const char *name, const char *trust_domain,
                      const char *path, int64_t now_s, bool *ret_renewed, struct aion_err *err)
{
    char cert_path[PATH_MAX], key_path[PATH_MAX], uri[256];
    int size = snprintf(uri, sizeof(uri), "spiffe://%s/%s", trust_domain, path);
    if (size < 0 || (size_t)size >= sizeof(uri))
        return aion_fail(err, AION_INVALID, "SPIFFE id too long: %s", path);
    AION_CLEANUP(free_cert) X509 *ca = NULL;
    AION_CLEANUP(free_key) EVP_PKEY *key = NULL;
    if (!path_of(cert_path, dir, name, ".crt", err) ||
        !path_of(key_path, dir, name, ".key", err) || !load_ca(dir, &ca, &key, err))
        return false;
    bool keep = still_good(cert_path, key_path, ca, uri, now_s);
    if (ret_renewed != NULL)
        *ret_renewed = !keep;
    return keep || make_leaf(cert_path, key_path, ca, key, name, uri, now_s, err);
}
