#include "control_money.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void control_money_init(struct control_money *money, const char *replica)
{
    aion_map_init(&money->budgets, MONEY_BUDGETS_MAX);
    aion_map_init(&money->purses, MONEY_PURSES_MAX);
    money->closed = false;
    aion_str_copy(money->replica, sizeof(money->replica), aion_str_of(replica));
}

static void free_all(struct aion_map *map)
{
    size_t cursor = 0;
    void *value;
    while ((value = aion_map_next(map, &cursor)) != NULL)
        free(value);
    aion_map_done(map);
}

void control_money_done(struct control_money *money)
{
    free_all(&money->budgets);
    free_all(&money->purses);
}

/* -- periods ------------------------------------------------------------------------- */
static int64_t month_start(int year, int month)
{
    struct tm tm = {.tm_year = year, .tm_mon = month, .tm_mday = 1};
    return (int64_t)timegm(&tm);
}

void control_period_of(enum control_period period, int64_t now_s, int64_t *ret_start_s,
                       int64_t *ret_end_s)
{
    int64_t length = period == PERIOD_HOUR ? 3600 : 86400;
    time_t now = (time_t)now_s;
    struct tm tm;
    switch (period) {
    case PERIOD_HOUR:
    case PERIOD_DAY:
        *ret_start_s = now_s - now_s % length;
        *ret_end_s = *ret_start_s + length;
        return;
    case PERIOD_MONTH:
        gmtime_r(&now, &tm);
        *ret_start_s = month_start(tm.tm_year, tm.tm_mon);
        *ret_end_s = month_start(tm.tm_year, tm.tm_mon + 1);
        return;
    case PERIOD_TOTAL:
    default:
        *ret_start_s = 0;
        *ret_end_s = INT64_MAX;
        return;
    }
}

/* -- definitions --------------------------------------------------------------------- */
static void follow(struct control_money *money, const struct control_budget *budget)
{
    size_t cursor = 0;
    struct control_purse *purse;
    while ((purse = aion_map_next(&money->purses, &cursor)) != NULL) {
        if (strcmp(purse->budget.id, budget->id) != 0)
            continue;
        purse->budget = *budget;
        purse->central = -1; /* the limit may be another: ask again */
    }
}

bool control_money_set(struct control_money *money, const struct control_budget *budget)
{
    struct control_budget *known = aion_map_get(&money->budgets, aion_str_of(budget->id));
    if (known == NULL) {
        known = calloc(1, sizeof(*known));
        if (known == NULL)
            return false;
        *known = *budget;
        if (aion_map_put(&money->budgets, aion_str_of(known->id), known))
            return true;
        free(known);
        return false;
    }
    *known = *budget;
    follow(money, budget);
    return true;
}

const struct control_budget *control_money_find(const struct control_money *money, aion_str id)
{
    return aion_map_get(&money->budgets, id);
}

/* -- purses -------------------------------------------------------------------------- */
static struct control_purse *purse_named(struct control_money *money, aion_str name)
{
    struct control_purse *purse = aion_map_get(&money->purses, name);
    if (purse != NULL || name.size >= sizeof(purse->name))
        return purse;
    purse = calloc(1, sizeof(*purse));
    if (purse == NULL)
        return NULL;
    aion_str_copy(purse->name, sizeof(purse->name), name);
    purse->central = -1;
    if (aion_map_put(&money->purses, aion_str_of(purse->name), purse))
        return purse;
    free(purse);
    return NULL;
}

static struct control_purse *purse_of(struct control_money *money,
                                      const struct control_budget *budget, int64_t now_s)
{
    char name[96];
    int64_t start_s, end_s;
    control_period_of(budget->period, now_s, &start_s, &end_s);
    snprintf(name, sizeof(name), "%s@%lld", budget->id, (long long)start_s);
    struct control_purse *purse = purse_named(money, aion_str_of(name));
    if (purse == NULL)
        return NULL;
    purse->budget = *budget;
    purse->start_s = start_s;
    purse->end_s = end_s;
    return purse;
}

static bool any_or(const char *wanted, aion_str value)
{
    return wanted[0] == '\0' || aion_str_is(value, wanted);
}

bool control_money_fit(struct control_money *money, aion_str tenant, aion_str key_id,
                       aion_str intent, int64_t now_s, struct control_charge *charge)
{
    size_t cursor = 0;
    const struct control_budget *budget;
    *charge = (struct control_charge){.count = 0};
    while ((budget = aion_map_next(&money->budgets, &cursor)) != NULL) {
        if (budget->removed || !any_or(budget->tenant, tenant) ||
            !any_or(budget->key_id, key_id) || !any_or(budget->intent, intent))
            continue;
        struct control_purse *purse =
            charge->count < MONEY_FIT_MAX ? purse_of(money, budget, now_s) : NULL;
        if (purse == NULL)
            return false;
        charge->purses[charge->count++] = purse;
    }
    return true;
}

static int64_t purse_left(const struct control_purse *purse)
{
    if (purse->central < 0)
        return INT64_MAX; /* not heard yet: the reservation will ask */
    int64_t left = purse->escrow + purse->central;
    return left > 0 ? left : 0;
}

const struct control_purse *control_money_tightest(const struct control_charge *charge)
{
    const struct control_purse *tightest = NULL;
    for (unsigned i = 0; i < charge->count; i++)
        if (tightest == NULL || purse_left(charge->purses[i]) < purse_left(tightest))
            tightest = charge->purses[i];
    return tightest;
}

int64_t control_money_left(const struct control_charge *charge)
{
    const struct control_purse *tightest = control_money_tightest(charge);
    return tightest != NULL ? purse_left(tightest) : INT64_MAX;
}

/* -- entries ------------------------------------------------------------------------- */
static void add(struct control_entries *entries, const char *account,
                const struct control_purse *purse, const char *replica, int64_t nano_usd)
{
    assert(entries->count < MONEY_ENTRIES_MAX);
    if (nano_usd == 0)
        return;
    struct control_entry *entry = &entries->all[entries->count++];
    snprintf(entry->account, sizeof(entry->account), "%s:%s%s%s", account, purse->name,
             replica[0] != '\0' ? ":" : "", replica);
    entry->nano_usd = nano_usd;
}

/* -- reserving and settling ---------------------------------------------------------- */
enum control_reserved control_money_reserve(struct control_money *money,
                                            struct control_charge *charge, int64_t amount,
                                            int64_t now_us, struct control_entries *entries,
                                            struct control_purse **ret_purse)
{
    assert(charge->amount == 0 && amount > 0);
    for (unsigned i = 0; i < charge->count; i++) {
        struct control_purse *purse = charge->purses[i];
        *ret_purse = purse;
        if (money->closed)
            return MONEY_CARVE;
        if (purse->escrow < amount)
            return purse_left(purse) >= amount ? MONEY_CARVE : MONEY_NONE;
    }
    for (unsigned i = 0; i < charge->count; i++) {
        struct control_purse *purse = charge->purses[i];
        purse->escrow -= amount;
        purse->reserved += amount;
        purse->charges++;
        purse->pending++;
        purse->used_us = now_us;
        charge->resets = purse->resets;
        add(entries, "escrow", purse, money->replica, -amount);
        add(entries, "reserved", purse, "", amount);
    }
    charge->amount = charge->count > 0 ? amount : 0;
    charge->kept = false;
    return MONEY_RESERVED;
}

void control_money_kept(struct control_charge *charge)
{
    for (unsigned i = 0; charge->amount > 0 && !charge->kept && i < charge->count; i++)
        charge->purses[i]->pending--;
    charge->kept = true;
}

void control_money_lend(struct control_charge *charge)
{
    control_money_kept(charge);
    charge->lent = true;
    for (unsigned i = 0; charge->amount > 0 && i < charge->count; i++)
        charge->purses[i]->lent += charge->amount;
}

void control_money_await(const struct control_charge *lent)
{
    for (unsigned i = 0; lent->amount > 0 && i < lent->count; i++)
        lent->purses[i]->pending++;
}

void control_money_awaited(const struct control_charge *lent)
{
    for (unsigned i = 0; lent->amount > 0 && i < lent->count; i++)
        lent->purses[i]->pending--;
}

static void let_go(struct control_charge *charge, int64_t cost)
{
    for (unsigned i = 0; charge->amount > 0 && i < charge->count; i++) {
        struct control_purse *purse = charge->purses[i];
        purse->reserved -= charge->amount;
        if (charge->kept || charge->resets == purse->resets)
            purse->escrow += charge->amount - cost;
        purse->pending -= !charge->kept;
        purse->lent -= charge->lent ? charge->amount : 0;
        purse->charges--;
    }
    *charge = (struct control_charge){.count = 0};
}

void control_money_unreserve(struct control_charge *charge)
{
    let_go(charge, 0);
}

void control_money_forget(struct control_charge *charge)
{
    let_go(charge, charge->amount);
}

static void settle(struct control_money *money, struct control_charge *charge, const char *from,
                   int64_t cost, struct control_entries *entries)
{
    for (unsigned i = 0; charge->amount > 0 && i < charge->count; i++) {
        const struct control_purse *purse = charge->purses[i];
        add(entries, from, purse, "", -charge->amount);
        add(entries, "spent", purse, "", cost);
        add(entries, "escrow", purse, money->replica, charge->amount - cost);
    }
    let_go(charge, cost);
}

void control_money_restore(struct control_money *money, aion_str name, int64_t escrow)
{
    struct control_purse *purse = purse_named(money, name);
    if (purse != NULL) /* one too many: what it holds stays in the store's books */
        purse->escrow = escrow - purse->lent;
}

void control_money_settle(struct control_money *money, struct control_charge *charge,
                          int64_t cost, struct control_entries *entries)
{
    settle(money, charge, "reserved", cost, entries);
}

void control_money_settle_doubt(struct control_money *money, struct control_charge *charge,
                                int64_t cost, struct control_entries *entries)
{
    settle(money, charge, "doubt", cost, entries);
}

void control_money_doubt(struct control_money *money, const struct control_charge *charge,
                         struct control_entries *entries)
{
    (void)money;
    for (unsigned i = 0; charge->amount > 0 && i < charge->count; i++) {
        add(entries, "reserved", charge->purses[i], "", -charge->amount);
        add(entries, "doubt", charge->purses[i], "", charge->amount);
    }
}

void control_money_undoubt(struct control_money *money, const struct control_charge *charge,
                           struct control_entries *entries)
{
    (void)money;
    for (unsigned i = 0; charge->amount > 0 && i < charge->count; i++) {
        add(entries, "doubt", charge->purses[i], "", -charge->amount);
        add(entries, "reserved", charge->purses[i], "", charge->amount);
    }
}

/* -- when shards were lost ----------------------------------------------------------- */
void control_money_reset(struct control_money *money)
{
    size_t cursor = 0;
    struct control_purse *purse;
    money->closed = true;
    while ((purse = aion_map_next(&money->purses, &cursor)) != NULL) {
        purse->escrow = -purse->lent;
        purse->central = -1;
        purse->resets++;
    }
}

void control_money_open(struct control_money *money)
{
    money->closed = false;
}

bool control_money_calm(const struct control_money *money)
{
    size_t cursor = 0;
    const struct control_purse *purse;
    while ((purse = aion_map_next(&money->purses, &cursor)) != NULL)
        if (purse->pending > 0 || purse->carving)
            return false;
    return true;
}

/* -- carving ------------------------------------------------------------------------- */
int64_t control_purse_want(const struct control_purse *purse, unsigned replicas)
{
    int64_t share = purse->central > 0 ? purse->central : purse->budget.limit;
    share /= replicas > 1 ? 2 * (int64_t)replicas : 1;
    int64_t needed = purse->wanted - (purse->escrow < 0 ? purse->escrow : 0);
    return needed > share ? needed : share;
}

void control_purse_carved(struct control_purse *purse, int64_t granted, int64_t central)
{
    purse->escrow += granted;
    purse->central = central > 0 ? central : 0;
    purse->wanted = 0;
    purse->carving = false;
}

int64_t control_purse_idle(const struct control_purse *purse, int64_t now_us, int64_t idle_us)
{
    if (purse->carving || purse->escrow <= 0 || now_us - purse->used_us < idle_us)
        return 0;
    return purse->escrow > 1 ? purse->escrow / 2 : purse->escrow;
}

/* -- as stored ----------------------------------------------------------------------- */
void control_charge_print(const struct control_charge *charge, struct aion_buf *out)
{
    if (charge->amount == 0)
        return;
    aion_buf_printf(out, "%lld", (long long)charge->amount);
    for (unsigned i = 0; i < charge->count; i++)
        aion_buf_printf(out, " %s", charge->purses[i]->name);
}

bool control_charge_parse(struct control_money *money, aion_str text,
                          struct control_charge *charge)
{
    uint64_t amount;
    *charge = (struct control_charge){.count = 0};
    if (text.size == 0)
        return true;
    if (!aion_str_u64(aion_str_cut(&text, ' '), &amount) || amount == 0 || amount > INT64_MAX)
        return false;
    while (text.size > 0 && charge->count < MONEY_FIT_MAX) {
        struct control_purse *purse = purse_named(money, aion_str_cut(&text, ' '));
        if (purse == NULL)
            return false;
        charge->purses[charge->count++] = purse;
    }
    charge->amount = (int64_t)amount;
    for (unsigned i = 0; i < charge->count; i++) {
        charge->purses[i]->reserved += charge->amount;
        charge->purses[i]->charges++;
    }
    charge->kept = true;
    return charge->count > 0;
}
