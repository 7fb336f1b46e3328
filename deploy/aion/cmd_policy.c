/* aion policy get|validate|reload|rollback|revisions. */
#include "cli_client.h"

#include "aion/v1/router.mesh.h"

#include <stdio.h>
#include <string.h>

static const char *const words[] = {"get",       "validate", "reload", "rollback",
                                    "revisions", "--home",   "-o",     NULL};
static int run(int argc, char **argv);
const struct cli_command cli_policy = {
    "policy",
    "get | validate | reload | rollback [ORDINAL] | revisions   [-o json|table] [--home DIR]"
    "\n\n"
    "get: the policy in force, file by file, and why a later one was refused. validate: what "
    "is\n"
    "wrong with the files as they are now. reload: puts them in force. rollback: the revision "
    "of\n"
    "this ordinal, or the one before, until the files change; they stay as they are.\n\n"
    "  aion policy validate && aion policy reload\n"
    "  aion policy rollback 1",
    "show and change the routing policy", words, run};

struct policy {
    struct cli_client client;
    const char *verb, *home;
    int64_t ordinal;
    bool json;
};

static const ProtobufCMessage *ask(struct policy *policy, int index,
                                   const ProtobufCMessage *request, struct aion_err *err)
{
    return cli_call(&policy->client, "router", &aion_v1_router_type.methods[index], request,
                    30000000, err);
}

static void print_line(const Aion__V1__Policy *policy)
{
    const Aion__V1__PolicyRevision *revision = policy->revision;
    printf("revision %llu  %s  %u routes, %u rules  (%s by %s)\n",
           (unsigned long long)(revision != NULL ? revision->ordinal : 0),
           revision != NULL ? revision->digest : "", policy->routes, policy->rules,
           policy->cause, policy->activated_by);
}

static int print_policy(const struct policy *policy, const ProtobufCMessage *reply,
                        const struct aion_err *err)
{
    if (reply == NULL)
        return cli_error(err);
    if (policy->json)
        return cli_print_json(&aion__v1__policy__schema, reply);
    const Aion__V1__Policy *message = (const Aion__V1__Policy *)reply;
    print_line(message);
    for (size_t i = 0; i < message->n_files; i++)
        printf("--- %s\n%s", message->files[i]->path, message->files[i]->content);
    if (message->rejected != NULL)
        printf("refused since: %s:%u:%u: %s\n", message->rejected->file,
               message->rejected->line, message->rejected->column, message->rejected->message);
    return CLI_OK;
}

static int get(struct policy *policy)
{
    Aion__V1__GetPolicyRequest request = AION__V1__GET_POLICY_REQUEST__INIT;
    struct aion_err err;
    return print_policy(policy, ask(policy, AION_V1_ROUTER_GET_POLICY, &request.base, &err),
                        &err);
}

static int reload(struct policy *policy)
{
    Aion__V1__ReloadPolicyRequest request = AION__V1__RELOAD_POLICY_REQUEST__INIT;
    struct aion_err err;
    return print_policy(policy, ask(policy, AION_V1_ROUTER_RELOAD_POLICY, &request.base, &err),
                        &err);
}

static int rollback(struct policy *policy)
{
    Aion__V1__RollbackPolicyRequest request = AION__V1__ROLLBACK_POLICY_REQUEST__INIT;
    struct aion_err err;
    request.ordinal = (uint64_t)policy->ordinal;
    return print_policy(policy,
                        ask(policy, AION_V1_ROUTER_ROLLBACK_POLICY, &request.base, &err), &err);
}

static int validate(struct policy *policy)
{
    Aion__V1__ValidatePolicyRequest request = AION__V1__VALIDATE_POLICY_REQUEST__INIT;
    struct aion_err err;
    const ProtobufCMessage *reply =
        ask(policy, AION_V1_ROUTER_VALIDATE_POLICY, &request.base, &err);
    if (reply == NULL)
        return cli_error(&err);
    const Aion__V1__ValidatePolicyReply *validated =
        (const Aion__V1__ValidatePolicyReply *)reply;
    if (policy->json) {
        int status = cli_print_json(&aion__v1__validate_policy_reply__schema, reply);
        return validated->valid ? status : CLI_FAILED;
    }
    for (size_t i = 0; i < validated->n_faults; i++)
        printf("%s:%u:%u: %s\n", validated->faults[i]->file, validated->faults[i]->line,
               validated->faults[i]->column, validated->faults[i]->message);
    if (validated->valid)
        printf("valid  %s\n", validated->digest);
    return validated->valid ? CLI_OK : CLI_FAILED;
}

static int revisions(struct policy *policy)
{
    Aion__V1__ListPolicyRevisionsRequest request =
        AION__V1__LIST_POLICY_REVISIONS_REQUEST__INIT;
    struct aion_err err;
    const ProtobufCMessage *reply =
        ask(policy, AION_V1_ROUTER_LIST_POLICY_REVISIONS, &request.base, &err);
    if (reply == NULL)
        return cli_error(&err);
    if (policy->json)
        return cli_print_json(&aion__v1__list_policy_revisions_reply__schema, reply);
    const Aion__V1__ListPolicyRevisionsReply *listed =
        (const Aion__V1__ListPolicyRevisionsReply *)reply;
    for (size_t i = 0; i < listed->n_revisions; i++)
        print_line(listed->revisions[i]);
    return CLI_OK;
}

static const struct {
    const char *name;
    int (*run)(struct policy *policy);
} verbs[] = {{"get", get},
             {"validate", validate},
             {"reload", reload},
             {"rollback", rollback},
             {"revisions", revisions}};

static int run(int argc, char **argv)
{
    static struct policy policy;
    struct cli_args args = {argc, argv, 1};
    struct aion_err err;
    const char *value;
    while (args.at < argc) {
        if ((value = cli_value(&args, "--home")) != NULL)
            policy.home = value;
        else if ((value = cli_value(&args, "-o")) != NULL) {
            policy.json = strcmp(value, "json") == 0;
            if (!policy.json && strcmp(value, "table") != 0)
                return cli_usage(&cli_policy, "-o: \"%s\" is neither json nor table", value);
        } else if (policy.verb == NULL)
            policy.verb = argv[args.at++];
        else if (strcmp(policy.verb, "rollback") == 0 && policy.ordinal == 0 &&
                 aion_str_i64(aion_str_of(argv[args.at]), &policy.ordinal) &&
                 policy.ordinal > 0)
            args.at++;
        else
            return cli_unexpected(&cli_policy, &args);
    }
    for (size_t i = 0; policy.verb != NULL && i < aion_countof(verbs); i++) {
        if (strcmp(verbs[i].name, policy.verb) != 0)
            continue;
        int status = cli_client_open(&policy.client, policy.home, &err) ? verbs[i].run(&policy)
                                                                        : cli_error(&err);
        cli_client_close(&policy.client);
        return status;
    }
    return policy.verb == NULL ? cli_usage(&cli_policy, "name a verb")
                               : cli_usage(&cli_policy, "no verb \"%s\"", policy.verb);
}
