/* A policy file of any bytes: it compiles, and then decides the same twice; or it is refused
 * with at least one fault that has a place and a text. */
#include "router_decide.h"
#include "router_policy.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* libfyaml 0.7.12 keeps half a kilobyte of some documents that it refuses. */
const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml\n";
}

static void decide(const struct router_policy *policy)
{
    static const char *const intents[] = {"summarize_text", "noop", "a"};
    for (size_t i = 0; i < aion_countof(intents); i++)
        for (uint64_t seed = 0; seed < 3; seed++) {
            const struct router_request request = {.tenant = AION_STR("default"),
                                                   .intent = aion_str_of(intents[i]),
                                                   .priority = 3,
                                                   .budget_nano_usd = 1000,
                                                   .input_bytes = 4096,
                                                   .seed = seed};
            struct router_decision first, second;
            struct aion_err err;
            bool decided = router_decide(policy, &request, &first, &err);
            assert(decided == router_decide(policy, &request, &second, &err));
            assert(!decided || first.route == second.route);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct router_file file = {.path = "p.yaml", .content = aion_str_n(data, size)};
    static struct router_fault faults[ROUTER_FAULTS_MAX];
    size_t count = 0;
    struct router_policy *policy = router_policy_compile(&file, 1, faults, &count);
    if (policy != NULL) {
        decide(policy);
        aion_snap_unref(&policy->snap);
        return 0;
    }
    assert(count >= 1 && count <= ROUTER_FAULTS_MAX);
    for (size_t i = 0; i < count; i++)
        assert(faults[i].message[0] != '\0' && faults[i].line >= 0);
    return 0;
}
