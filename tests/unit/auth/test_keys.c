/* Goal: keys parse by their grammar, errors name the entry and never the secret, lookups find
 * the right one. */
#include "auth/digest.h"
#include "auth/keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void entries_give_tenant_and_highest_role(void **state)
{
    struct aion_err err;
    struct auth_keys *keys =
        auth_keys_parse(AION_STR("# people\naaaaaaaaaaaaaaaa:user|manager, "
                                 "bbbbbbbbbbbbbbbb@acme:admin\n\ncccccccccccccccc:user\n"),
                        &err);
    (void)state;
    assert_non_null(keys);
    assert_int_equal(auth_keys_count(keys), 3);
    const struct auth_key *a = auth_keys_find(keys, AION_STR("aaaaaaaaaaaaaaaa"));
    const struct auth_key *b = auth_keys_find(keys, AION_STR("bbbbbbbbbbbbbbbb"));
    assert_int_equal(a->role, AUTH_ROLE_MANAGER);
    assert_string_equal(a->tenant, "default");
    assert_string_equal(b->tenant, "acme");
    assert_int_equal(strncmp(a->key_id, "ak_", 3), 0);
    assert_int_equal(strlen(a->key_id), 15);
    assert_string_not_equal(a->key_id, b->key_id);
    assert_null(auth_keys_find(keys, AION_STR("aaaaaaaaaaaaaaab")));
    assert_null(auth_keys_find(keys, AION_STR("")));
    auth_keys_free(keys);
}

static void bad_entries_are_named_by_number_without_their_secret(void **state)
{
    static const char *const bad[] = {
        "tooshort:user",
        "aaaaaaaaaaaaaaaa",
        "aaaaaaaaaaaaaaaa:boss",
        "aaaaaaaaaaaaaaaa@ACME:user",
        "aaaaaaaaaaaaaaaa:user,aaaaaaaaaaaaaaaa:admin",
        "aaaaaaaaaaaaaaaa@:user",
        "aaaaaaaaaaaaaa\xc3\xa9:user",
    };
    struct aion_err err;
    (void)state;
    for (size_t i = 0; i < aion_countof(bad); i++) {
        assert_null(auth_keys_parse(aion_str_of(bad[i]), &err));
        assert_int_equal(err.code, AION_INVALID);
        assert_null(strstr(err.text, "aaaaaaaaaaaa"));
    }
}

static void no_entry_is_an_empty_set(void **state)
{
    struct aion_err err;
    struct auth_keys *keys = auth_keys_parse(AION_STR(""), &err);
    (void)state;
    assert_int_equal(auth_keys_count(keys), 0);
    assert_null(auth_keys_find(keys, AION_STR("aaaaaaaaaaaaaaaa")));
    auth_keys_free(keys);
}

static void sha256_is_sha256(void **state)
{
    uint8_t digest[AUTH_SHA256_SIZE], again[AUTH_SHA256_SIZE];
    char text[AUTH_SHA256_TEXT];
    struct auth_sha256 *sha = auth_sha256_new();
    (void)state;
    auth_sha256(digest, AION_STR("abc"));
    auth_sha256_text(text, digest);
    assert_string_equal(
        text, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    auth_sha256_add(sha, AION_STR("a"));
    auth_sha256_add(sha, AION_STR("bc"));
    auth_sha256_end(sha, again);
    auth_sha256_free(sha);
    assert_memory_equal(digest, again, sizeof(digest));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_give_tenant_and_highest_role),
        cmocka_unit_test(bad_entries_are_named_by_number_without_their_secret),
        cmocka_unit_test(no_entry_is_an_empty_set),
        cmocka_unit_test(sha256_is_sha256),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
