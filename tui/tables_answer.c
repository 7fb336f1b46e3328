/* Tables over answers: policy revisions, the retention plan, what hosts offer. */
#include "asks.h"
#include "tables.h"

#include "aion/v1/retention.schema.h"

#include <inttypes.h>

/* -- revisions of the policy ----------------------------------------------- */

enum { ORDINAL, WHEN, WHO, CAUSE, ROUTES, RULES, DIGEST, ACTIVE };

enum { POLICY_MAX = 4 * 1024 * 1024 };

aion_str tui_policy_text(const Aion__V1__Policy *policy, struct aion_arena *arena)
{
    struct aion_buf all;
    aion_buf_init(&all, POLICY_MAX);
    for (size_t i = 0; i < policy->n_files; i++)
        aion_buf_printf(&all, "--- %s\n%s%s", policy->files[i]->path, policy->files[i]->content,
                        i + 1 < policy->n_files ? "\n" : "");
    aion_str copy = aion_arena_str(arena, aion_buf_view(&all));
    aion_buf_done(&all);
    return copy;
}

static size_t revisions_items(const struct tui_scene *scene, struct tui_item *out, size_t max)
{
    const Aion__V1__ListPolicyRevisionsReply *reply =
        (const Aion__V1__ListPolicyRevisionsReply *)tui_answer(scene->answers,
                                                               TUI_ASK_REVISIONS);
    size_t count = 0;
    for (size_t i = 0; reply != NULL && i < reply->n_revisions && count < max; i++) {
        const Aion__V1__Policy *policy = reply->revisions[i];
        uint64_t ordinal = policy->revision != NULL ? policy->revision->ordinal : 0;
        const char *key = aion_arena_printf(scene->arena, "%" PRIu64, ordinal);
        out[count++] = (struct tui_item){aion_str_of(key), policy};
    }
    return count;
}

static void revisions_value(const struct tui_scene *scene, const struct tui_item *item,
                            const struct tui_column *column, struct tui_value *out)
{
    const Aion__V1__Policy *policy = item->object;
    const Aion__V1__Policy *active =
        (const Aion__V1__Policy *)tui_answer(scene->answers, TUI_ASK_POLICY);
    uint64_t ordinal = policy->revision != NULL ? policy->revision->ordinal : 0;
    bool on =
        active != NULL && active->revision != NULL && active->revision->ordinal == ordinal;
    switch (column->tag) {
    case ORDINAL:
        out->number = (int64_t)ordinal;
        break;
    case WHEN:
        out->text = policy->activated_at != NULL
                        ? tui_scene_date_time(scene, tui_stamp_us(policy->activated_at))
                        : AION_STR("-");
        break;
    case WHO:
        out->text = aion_str_of(policy->activated_by);
        break;
    case CAUSE:
        out->text = aion_str_of(policy->cause);
        break;
    case ROUTES:
        out->number = policy->routes;
        break;
    case RULES:
        out->number = policy->rules;
        break;
    case ACTIVE:
        out->text = on ? AION_STR("ACTIVE") : AION_STR("kept");
        out->role = on ? TUI_GOOD : TUI_DIM;
        break;
    default:
        out->text = aion_str_of(policy->revision != NULL ? policy->revision->digest : "");
        break;
    }
}

// clang-format off
static const struct tui_column revisions_columns[] = {
    {"ordinal", "REV", TUI_COUNT, 9, 0, .tag = ORDINAL},
    {"since", "SINCE", TUI_TEXT, 19, 0, .tag = WHEN},
    {"who", "BY", TUI_TEXT, 12, 1, .tag = WHO},
    {"cause", "CAUSE", TUI_TEXT, 14, 0, .tag = CAUSE},
    {"routes", "ROUTES", TUI_COUNT, 6, 2, .tag = ROUTES},
    {"rules", "RULES", TUI_COUNT, 5, 2, .tag = RULES},
    {"state", "STATE", TUI_STATE, 6, 0, .tag = ACTIVE},
    {"digest", "DIGEST", TUI_TEXT, 18, 3, .grows = true, .tag = DIGEST},
};
const struct tui_table tui_revisions = {
    .name = "revisions", .title = "REVISIONS", .columns = revisions_columns,
    .count = aion_countof(revisions_columns), .empty = "not asked yet, or the router is away",
    .items = revisions_items, .value = revisions_value,
};
// clang-format on

/* -- the retention plan ---------------------------------------------------- */

enum { WHAT, KEEP, SECONDS, MEANS };

struct plan_line {
    const char *what, *means;
    int64_t seconds;
};

static int64_t seconds_of(const Google__Protobuf__Duration *duration)
{
    int64_t seconds = duration != NULL ? duration->seconds : 0, most = INT64_C(315576000000);
    return seconds < 0 ? 0 : seconds < most ? seconds : most;
}

static size_t plan_items(const struct tui_scene *scene, struct tui_item *out, size_t max)
{
    const Aion__V1__RetentionPlan *plan =
        (const Aion__V1__RetentionPlan *)tui_answer(scene->answers, TUI_ASK_PLAN);
    if (plan == NULL)
        return 0;
    const struct plan_line lines[] = {
        {"succeeded", "tasks that SUCCEEDED: attempts, events, output",
         seconds_of(plan->keep_succeeded)},
        {"failed", "tasks FAILED, CANCELLED, EXPIRED, DEAD", seconds_of(plan->keep_failed)},
        {"idempotency", "keys: the same key gives the same task",
         seconds_of(plan->keep_idempotency)},
        {"sweep", "how often what is due is deleted", seconds_of(plan->sweep_every)},
    };
    struct plan_line *kept = aion_arena_alloc(scene->arena, sizeof(lines));
    if (kept == NULL)
        return 0;
    memcpy(kept, lines, sizeof(lines));
    size_t count = aion_countof(lines) < max ? aion_countof(lines) : max;
    for (size_t i = 0; i < count; i++)
        out[i] = (struct tui_item){aion_str_of(kept[i].what), &kept[i]};
    return count;
}

static void plan_value(const struct tui_scene *scene, const struct tui_item *item,
                       const struct tui_column *column, struct tui_value *out)
{
    const struct plan_line *line = item->object;
    (void)scene;
    if (column->tag == WHAT)
        out->text = aion_str_of(line->what);
    else if (column->tag == MEANS)
        out->text = aion_str_of(line->means);
    else
        out->number = column->tag == KEEP ? line->seconds * 1000000 : line->seconds;
}

// clang-format off
static const struct tui_column plan_columns[] = {
    {"what", "WHAT", TUI_TEXT, 12, 0, .tag = WHAT},
    {"keep", "KEPT FOR", TUI_AGE, 8, 0, .shown = true, .tag = KEEP},
    {"seconds", "SECONDS", TUI_COUNT, 8, 0, .hidden = true, .tag = SECONDS},
    {"means", "MEANS", TUI_TEXT, 30, 0, .grows = true, .tag = MEANS},
};
const struct tui_table tui_plan = {
    .name = "plan", .title = "PLAN", .columns = plan_columns,
    .count = aion_countof(plan_columns), .empty = "not asked yet, or retention is away",
    .items = plan_items, .value = plan_value,
};
// clang-format on

/* -- what hosts offer ------------------------------------------------------ */

enum { MODULE, VERSION, HOST, OFFER_DIGEST, INTENTS };

const Aion__V1__HostInfo *tui_host_of(const struct tui_answers *answers, const char *host_id)
{
    const Aion__V1__ListHostsReply *reply =
        (const Aion__V1__ListHostsReply *)tui_answer(answers, TUI_ASK_HOSTS);
    for (size_t i = 0; reply != NULL && i < reply->n_hosts; i++)
        if (strcmp(reply->hosts[i]->host_id, host_id) == 0)
            return reply->hosts[i];
    return NULL;
}

struct offer {
    const Aion__V1__HostInfo *host;
    const Aion__V1__ModuleOffer *module;
};

/* In the modules' view: those of the host under the cursor. */
static size_t offers_items(const struct tui_scene *scene, struct tui_item *out, size_t max)
{
    const Aion__V1__ListHostsReply *reply =
        (const Aion__V1__ListHostsReply *)tui_answer(scene->answers, TUI_ASK_HOSTS);
    const char *only = scene->cursors != NULL ? scene->cursors[0] : "";
    size_t count = 0;
    for (size_t i = 0; reply != NULL && i < reply->n_hosts; i++) {
        const Aion__V1__HostInfo *host = reply->hosts[i];
        if (only[0] != '\0' && strcmp(only, host->host_id) != 0)
            continue;
        for (size_t k = 0; k < host->n_modules && count < max; k++) {
            struct offer *offer = aion_arena_alloc(scene->arena, sizeof(*offer));
            if (offer == NULL)
                return count;
            *offer = (struct offer){host, host->modules[k]};
            out[count++] = (struct tui_item){
                aion_str_of(aion_arena_printf(scene->arena, "%s/%s@%s", host->host_id,
                                              offer->module->module, offer->module->version)),
                offer};
        }
    }
    return count;
}

static aion_str joined(const struct tui_scene *scene, char *const *texts, size_t count)
{
    struct aion_buf all;
    aion_buf_init(&all, 1024);
    for (size_t i = 0; i < count; i++)
        aion_buf_printf(&all, "%s%s", i > 0 ? " " : "", texts[i]);
    aion_str copy = aion_arena_str(scene->arena, aion_buf_view(&all));
    aion_buf_done(&all);
    return copy;
}

static void offers_value(const struct tui_scene *scene, const struct tui_item *item,
                         const struct tui_column *column, struct tui_value *out)
{
    const struct offer *offer = item->object;
    if (column->tag == MODULE)
        out->text = aion_str_of(offer->module->module);
    else if (column->tag == VERSION)
        out->text = aion_str_of(offer->module->version);
    else if (column->tag == HOST)
        out->text = aion_str_of(offer->host->host_id);
    else if (column->tag == INTENTS)
        out->text = joined(scene, offer->module->intents, offer->module->n_intents);
    else
        out->text = aion_str_of(offer->module->digest);
}

// clang-format off
static const struct tui_column offers_columns[] = {
    {"module", "MODULE", TUI_TEXT, 18, 0, .tag = MODULE},
    {"version", "VERSION", TUI_TEXT, 8, 0, .tag = VERSION},
    {"host", "HOST", TUI_TEXT, 12, 1, .tag = HOST},
    {"intents", "INTENTS", TUI_TEXT, 18, 1, .grows = true, .tag = INTENTS},
    {"digest", "DIGEST", TUI_TEXT, 18, 2, .tag = OFFER_DIGEST},
};
const struct tui_table tui_offers = {
    .name = "offers", .title = "MODULES THERE", .columns = offers_columns,
    .count = aion_countof(offers_columns), .empty = "not asked yet, or this host offers none",
    .items = offers_items, .value = offers_value,
};
// clang-format on
