/* Goal: ids, principals, traceparent and status details are read strictly and written as read.
 * Method: tables. */
#include "mesh/core_private.h"
#include "mesh/identity.h"
#include "mesh/trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void spiffe_ids_say_who_speaks(void **state)
{
    static const struct {
        const char *id, *service, *tenant, *subject;
        enum mesh_role role;
    } good[] = {
        {"spiffe://aion.local/service/control", "control", "", "control", MESH_ROLE_SERVICE},
        {"spiffe://aion.local/user/ada", "", "default", "ada", MESH_ROLE_ADMIN},
        {"spiffe://aion.local/tenant/acme/client/app-1", "", "acme", "app-1", MESH_ROLE_USER},
    };
    (void)state;
    for (size_t i = 0; i < aion_countof(good); i++) {
        struct mesh_peer peer;
        struct mesh_principal principal;
        assert_true(
            mesh_spiffe_parse(aion_str_of(good[i].id), "aion.local", &peer, &principal));
        assert_true(aion_str_is(peer.spiffe_id, good[i].id));
        assert_true(aion_str_is(peer.service, good[i].service));
        assert_true(aion_str_is(principal.tenant, good[i].tenant));
        assert_true(aion_str_is(principal.subject, good[i].subject));
        assert_int_equal(principal.role, good[i].role);
    }
}

static void other_ids_are_nobody(void **state)
{
    static const char *const bad[] = {
        "",
        "spiffe://",
        "spiffe://aion.local",
        "spiffe://aion.local/",
        "spiffe://other.local/service/control",
        "spiffe://aion.local.evil/service/control",
        "https://aion.local/service/control",
        "spiffe://aion.local/service/",
        "spiffe://aion.local/service//",
        "spiffe://aion.local/service/control/",
        "spiffe://aion.local/service/control/more",
        "spiffe://aion.local/service/con trol",
        "spiffe://aion.local/service/con%2ftrol",
        "spiffe://aion.local/tenant/acme",
        "spiffe://aion.local/tenant/Acme/client/app-1",
        "spiffe://aion.local/tenant/acme/user/x",
        "spiffe://aion.local/tenant/acme/client/x/y",
        "spiffe://aion.local//service/control",
        "SPIFFE://aion.local/service/control",
        "spiffe://AION.local/service/control",
    };
    (void)state;
    for (size_t i = 0; i < aion_countof(bad); i++) {
        struct mesh_peer peer;
        struct mesh_principal principal;
        if (mesh_spiffe_parse(aion_str_of(bad[i]), "aion.local", &peer, &principal))
            fail_msg("taken for an id: %s", bad[i]);
    }
}

/* Who gets in can be spoken for at the next hop: the longest name fits the wire form. */
static void the_longest_name_survives_the_wire_form(void **state)
{
    struct mesh_peer peer;
    struct mesh_principal principal, out;
    uint8_t wire[560];
    char longest[320];
    (void)state;
    snprintf(longest, sizeof(longest), "spiffe://aion.local/tenant/%064d/client/%0127d", 1, 2);
    assert_true(mesh_spiffe_parse(aion_str_of(longest), "aion.local", &peer, &principal));
    size_t size = mesh_principal_encode(&principal, wire, sizeof(wire));
    assert_true(size > 0 && mesh_principal_decode(aion_str_n(wire, size), &out));
    assert_true(aion_str_eq(principal.subject, out.subject));
    snprintf(longest, sizeof(longest), "spiffe://aion.local/tenant/%065d/client/app", 1);
    assert_false(mesh_spiffe_parse(aion_str_of(longest), "aion.local", &peer, &principal));
    snprintf(longest, sizeof(longest), "spiffe://aion.local/tenant/acme/client/%0128d", 2);
    assert_false(mesh_spiffe_parse(aion_str_of(longest), "aion.local", &peer, &principal));
}

static void a_principal_survives_its_wire_form(void **state)
{
    struct mesh_principal in = {AION_STR("acme"), AION_STR("ada@acme.example"),
                                AION_STR("ak_7"), MESH_ROLE_MANAGER};
    struct mesh_principal out;
    uint8_t wire[256];
    (void)state;
    size_t size = mesh_principal_encode(&in, wire, sizeof(wire));
    assert_true(size > 0);
    assert_true(mesh_principal_decode(aion_str_n(wire, size), &out));
    assert_true(aion_str_eq(in.tenant, out.tenant));
    assert_true(aion_str_eq(in.subject, out.subject));
    assert_true(aion_str_eq(in.key_id, out.key_id));
    assert_int_equal(in.role, out.role);
    for (size_t cut = 0; cut < size; cut++) /* every prefix lacks at least the role */
        assert_false(mesh_principal_decode(aion_str_n(wire, cut), &out));
    assert_int_equal(mesh_principal_encode(&in, wire, size - 1), 0);
}

static void a_principal_must_be_whole(void **state)
{
    const aion_str bad[] = {
        AION_STR("\x0a\x04"
                 "acme"), /* no role */
        AION_STR("\x22\x04"
                 "user"), /* no tenant */
        AION_STR("\x0a\x04"
                 "ac/e\x22\x04user"), /* no name */
        AION_STR("\x0a\x04"
                 "acme\x22\x07service"), /* nobody vouches for services */
        AION_STR("\x0a\x04"
                 "acme\x22\x04king"),
        AION_STR("\x0a\x04"
                 "acme\x12\x01\xff\x22\x04user"), /* not UTF-8 */
        AION_STR("\x0a\x04"
                 "acme\x12\x01\0\x22\x04user"), /* NUL */
        AION_STR("\x08\x01\x0a\x04"
                 "acme\x22\x04user"), /* a number where a text belongs */
    };
    (void)state;
    for (size_t i = 0; i < aion_countof(bad); i++) {
        struct mesh_principal out;
        if (mesh_principal_decode(bad[i], &out))
            fail_msg("taken for a principal: row %zu", i);
    }
}

static void traceparent_is_read_as_the_standard_says(void **state)
{
    static const struct {
        const char *header;
        bool taken, sampled;
    } rows[] = {
        {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true, true},
        {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", true, false},
        {"cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", true, true},
        {"cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01more", false, true},
        {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", false, true},
        {"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false, true},
        {"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", false, true},
        {"00-00000000000000000000000000000000-b7ad6b7169203331-01", false, true},
        {"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false, true},
        {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0", false, true},
        {"", false, true},
    };
    static const uint8_t id[16] = {0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd,
                                   0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31, 0x9c};
    (void)state;
    for (size_t i = 0; i < aion_countof(rows); i++) {
        struct mesh_trace trace;
        mesh_trace_begin(&trace, aion_str_of(rows[i].header));
        bool taken = memcmp(trace.trace_id, id, 16) == 0;
        if (taken != rows[i].taken || trace.sampled != rows[i].sampled)
            fail_msg("row %zu: %s", i, rows[i].header);
    }
}

static void traceparent_is_written_as_it_is_read(void **state)
{
    struct mesh_trace parent, child, again;
    char header[MESH_TRACEPARENT_SIZE];
    (void)state;
    mesh_trace_begin(&parent, (aion_str){0});
    mesh_trace_child(&child, &parent);
    mesh_trace_header(&child, header);
    mesh_trace_begin(&again, aion_str_of(header));
    assert_memory_equal(again.trace_id, parent.trace_id, 16);
    assert_memory_equal(again.parent_id, child.span_id, 8);
    assert_memory_equal(child.parent_id, parent.span_id, 8);
}

static void status_details_survive_their_wire_form(void **state)
{
    struct aion_err in, out;
    struct aion_arena arena;
    (void)state;
    aion_arena_init(&arena, 65536, NULL, 0);
    aion_err_set(&in, __func__, AION_EXHAUSTED, "too many");
    aion_err_set(&out, __func__, AION_EXHAUSTED, "too many");
    assert_int_equal(mesh_status_details(&in, &arena).size,
                     0); /* nothing beyond code and text */
    aion_err_reason(&in, "RATE_LIMITED");
    aion_err_field(&in, "params.rate");
    in.retry_after_ms = 61250;
    mesh_status_read(mesh_status_details(&in, &arena), &out);
    assert_string_equal(out.reason, "RATE_LIMITED");
    assert_string_equal(out.field, "params.rate");
    assert_int_equal(out.retry_after_ms, 61250);
    mesh_status_read(AION_STR("\xff\xff nonsense"), &out); /* whatever a peer sends */
    aion_arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spiffe_ids_say_who_speaks),
        cmocka_unit_test(other_ids_are_nobody),
        cmocka_unit_test(the_longest_name_survives_the_wire_form),
        cmocka_unit_test(a_principal_survives_its_wire_form),
        cmocka_unit_test(a_principal_must_be_whole),
        cmocka_unit_test(traceparent_is_read_as_the_standard_says),
        cmocka_unit_test(traceparent_is_written_as_it_is_read),
        cmocka_unit_test(status_details_survive_their_wire_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
