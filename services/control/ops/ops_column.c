#include "ops_column.h"

#include "base/metric.h"

#include <assert.h>
#include <endian.h>

enum form {
    FORM_SAME,   /* one value */
    FORM_DELTA,  /* from one to the next */
    FORM_LEVEL,  /* above the least of them */
    FORM_SPARSE, /* one value, and where and how others differ */
    FORMS,
};
enum {
    FORM_BITS = 2,
    LENGTH_BITS = 6,   /* of a number's length - 1 */
    SHIFT_BITS = 6,    /* of Rice's k */
    QUOTIENT_MAX = 20, /* ones in a row: the number follows in full */
};

/* -- bits: least significant first -------------------------------------------------- */
void ops_bits_put(struct ops_bits_out *bits, uint64_t value, unsigned count)
{
    while (count > 0) {
        unsigned take = 8 - bits->count < count ? 8 - bits->count : count;
        bits->held |= (value & (((uint64_t)1 << take) - 1)) << bits->count;
        bits->count += take;
        value >>= take;
        count -= take;
        if (bits->count == 8)
            ops_bits_flush(bits);
    }
}

void ops_bits_flush(struct ops_bits_out *bits)
{
    if (bits->count > 0)
        aion_buf_char(bits->out, (char)bits->held);
    bits->held = 0;
    bits->count = 0;
}

static uint64_t low_bits(uint64_t value, unsigned count)
{
    return count < 64 ? value & (((uint64_t)1 << count) - 1) : value;
}

/* At least 56 bits, as long as there are any. A word at once: what of it is not counted yet
 * stays above what is, and is read again with the next one, the same bits in the same place. */
static void refill(struct ops_bits_in *bits)
{
    if (bits->count <= 56 && bits->end - bits->next >= 8) {
        uint64_t word;
        memcpy(&word, bits->next, sizeof(word));
        bits->held |= le64toh(word) << bits->count;
        bits->next += (63 - bits->count) / 8;
        bits->count |= 56;
        return;
    }
    while (bits->count <= 56 && bits->next < bits->end) {
        bits->held |= (uint64_t)*bits->next++ << bits->count;
        bits->count += 8;
    }
}

/* count <= 56. */
static uint64_t take(struct ops_bits_in *bits, unsigned count)
{
    if (bits->count < count)
        refill(bits);
    uint64_t value = low_bits(bits->held, count);
    bits->bad = bits->bad || bits->count < count;
    bits->held >>= count;
    bits->count -= bits->count < count ? bits->count : count;
    return value;
}

uint64_t ops_bits_get(struct ops_bits_in *bits, unsigned count)
{
    if (count <= 56)
        return take(bits, count);
    uint64_t low = take(bits, 32);
    return low | take(bits, count - 32) << 32;
}

/* -- numbers ------------------------------------------------------------------------ */
static uint64_t zigzag(uint64_t value)
{
    return value << 1 ^ (0 - (value >> 63));
}

static uint64_t unzigzag(uint64_t value)
{
    return value >> 1 ^ (0 - (value & 1));
}

static unsigned length_of(uint64_t value)
{
    return value == 0 ? 1 : 64 - (unsigned)__builtin_clzll(value);
}

static void put_number(struct ops_bits_out *bits, uint64_t value)
{
    unsigned length = length_of(value);
    ops_bits_put(bits, length - 1, LENGTH_BITS);
    ops_bits_put(bits, value, length);
}

static uint64_t get_number(struct ops_bits_in *bits)
{
    unsigned length = (unsigned)ops_bits_get(bits, LENGTH_BITS) + 1;
    return ops_bits_get(bits, length);
}

static unsigned number_cost(uint64_t value)
{
    return LENGTH_BITS + length_of(value);
}

static unsigned rice_cost(uint64_t value, unsigned shift)
{
    uint64_t quotient = value >> shift;
    return quotient < QUOTIENT_MAX ? (unsigned)quotient + 1 + shift
                                   : QUOTIENT_MAX + number_cost(value);
}

static void put_rice(struct ops_bits_out *bits, uint64_t value, unsigned shift)
{
    uint64_t quotient = value >> shift;
    if (quotient >= QUOTIENT_MAX) {
        ops_bits_put(bits, ((uint64_t)1 << QUOTIENT_MAX) - 1, QUOTIENT_MAX);
        put_number(bits, value);
        return;
    }
    ops_bits_put(bits, ((uint64_t)1 << quotient) - 1, (unsigned)quotient + 1);
    ops_bits_put(bits, value, shift);
}

static uint64_t get_rice(struct ops_bits_in *bits, unsigned shift)
{
    refill(bits);
    unsigned quotient = (unsigned)__builtin_ctzll(~low_bits(bits->held, QUOTIENT_MAX));
    if (quotient < QUOTIENT_MAX && quotient + 1 + shift <= bits->count) { /* nearly always */
        uint64_t rest = bits->held >> (quotient + 1);
        bits->held = rest >> shift;
        bits->count -= quotient + 1 + shift;
        return (uint64_t)quotient << shift | low_bits(rest, shift);
    }
    if (quotient >= QUOTIENT_MAX) {
        (void)take(bits, QUOTIENT_MAX);
        return get_number(bits);
    }
    (void)take(bits, quotient + 1);
    return (uint64_t)quotient << shift | ops_bits_get(bits, shift);
}

/* -- plans -------------------------------------------------------------------------- */
/* A column in one of its forms: what is to be written. All arithmetic is modulo 2^64, so that
 * any integers come back as they were. */
struct plan {
    enum form form;
    bool buckets;
    uint64_t base, divisor;
    unsigned shift;
    uint64_t codes[OPS_BLOCK_FRAMES];
    size_t count;
    unsigned bits; /* what it costs */
};

static uint64_t magnitude(uint64_t difference)
{
    return difference >> 63 ? 0 - difference : difference;
}

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static uint64_t divided(uint64_t difference, uint64_t divisor)
{
    uint64_t quotient = magnitude(difference) / divisor;
    return difference >> 63 ? 0 - quotient : quotient;
}

static unsigned codes_cost(const struct plan *plan, unsigned shift)
{
    unsigned bits = 0;
    for (size_t i = 0; i < plan->count; i++)
        bits += rice_cost(plan->codes[i], shift);
    return bits;
}

/* The best k is near the logarithm of the mean. */
static void choose_shift(struct plan *plan)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < plan->count; i++)
        sum = sum + plan->codes[i] < sum ? UINT64_MAX : sum + plan->codes[i];
    uint64_t mean = plan->count > 0 ? sum / plan->count : 0;
    unsigned near = mean > 0 ? length_of(mean) - 1 : 0, best = UINT32_MAX;
    for (unsigned shift = near > 0 ? near - 1 : 0; shift <= near + 1 && shift < 64; shift++) {
        unsigned cost = codes_cost(plan, shift);
        if (cost < best) {
            best = cost;
            plan->shift = shift;
        }
    }
    plan->bits = best;
}

/* Divides the differences, and makes codes of them. */
static void encode(struct plan *plan, bool is_signed)
{
    plan->divisor = 0;
    for (size_t i = 0; i < plan->count; i++)
        plan->divisor = common_divisor(plan->divisor,
                                       is_signed ? magnitude(plan->codes[i]) : plan->codes[i]);
    if (plan->divisor == 0)
        plan->divisor = 1;
    for (size_t i = 0; i < plan->count; i++)
        plan->codes[i] = is_signed ? zigzag(divided(plan->codes[i], plan->divisor))
                                   : plan->codes[i] / plan->divisor;
    choose_shift(plan);
    plan->bits += number_cost(zigzag(plan->base)) + number_cost(plan->divisor) + SHIFT_BITS;
}

static void plan_delta(struct plan *plan, const uint64_t *values, size_t count)
{
    *plan = (struct plan){.form = FORM_DELTA, .base = values[0], .count = count - 1};
    for (size_t i = 1; i < count; i++)
        plan->codes[i - 1] = values[i] - values[i - 1];
    encode(plan, true);
}

static void plan_level(struct plan *plan, const uint64_t *values, size_t count)
{
    *plan = (struct plan){.form = FORM_LEVEL, .base = values[0], .count = count};
    for (size_t i = 1; i < count; i++)
        if ((int64_t)values[i] < (int64_t)plan->base)
            plan->base = values[i];
    for (size_t i = 0; i < count; i++)
        plan->codes[i] = values[i] - plan->base;
    encode(plan, false);
}

/* The value that most of them have, of the first few. */
static uint64_t commonest(const uint64_t *values, size_t count)
{
    uint64_t best = values[0];
    size_t most = 0;
    for (size_t i = 0; i < count && i < 8; i++) {
        size_t same = 0;
        for (size_t k = 0; k < count; k++)
            same += values[k] == values[i];
        if (same > most) {
            most = same;
            best = values[i];
        }
    }
    return best;
}

static void plan_sparse(struct plan *plan, const uint64_t *values, size_t count)
{
    *plan = (struct plan){.form = FORM_SPARSE, .base = commonest(values, count)};
    for (size_t i = 0; i < count; i++)
        if (values[i] != plan->base)
            plan->codes[plan->count++] = values[i] - plan->base;
    encode(plan, true);
    plan->bits += (unsigned)count;
}

static void plan_same(struct plan *plan, const uint64_t *values)
{
    *plan = (struct plan){.form = FORM_SAME, .base = values[0]};
    plan->bits = number_cost(zigzag(plan->base));
}

static void keep_cheaper(struct plan *best, const struct plan *other)
{
    if (other->bits < best->bits)
        *best = *other;
}

static void choose_plan(struct plan *best, const uint64_t *values, size_t count)
{
    struct plan other;
    size_t same = 1;
    while (same < count && values[same] == values[0])
        same++;
    if (same == count) {
        plan_same(best, values);
        return;
    }
    plan_delta(best, values, count);
    plan_level(&other, values, count);
    keep_cheaper(best, &other);
    plan_sparse(&other, values, count);
    keep_cheaper(best, &other);
}

/* -- buckets ------------------------------------------------------------------------ */
/* Bounds of buckets as their numbers + 1, unknown as 0; false: some value is neither. */
static bool to_buckets(uint64_t *to, const int64_t *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        unsigned bucket = values[i] >= 0 ? aion_hist_bucket((uint64_t)values[i]) : 0;
        if (values[i] < -1 ||
            (values[i] >= 0 && aion_hist_bound(bucket) != (uint64_t)values[i]))
            return false;
        to[i] = values[i] >= 0 ? bucket + 1 : 0;
    }
    return true;
}

static bool from_bucket(uint64_t number, int64_t *ret_value)
{
    if (number > AION_HIST_BUCKETS)
        return false;
    *ret_value = number > 0 ? (int64_t)aion_hist_bound((unsigned)number - 1) : -1;
    return true;
}

/* -- a column ----------------------------------------------------------------------- */
static void put_codes(struct ops_bits_out *bits, const struct plan *plan,
                      const uint64_t *values, size_t count)
{
    size_t next = 0;
    for (size_t i = plan->form == FORM_DELTA; i < count; i++) {
        bool common = plan->form == FORM_SPARSE && values[i] == plan->base;
        if (plan->form == FORM_SPARSE)
            ops_bits_put(bits, !common, 1);
        if (!common)
            put_rice(bits, plan->codes[next++], plan->shift);
    }
}

static void put_plan(struct ops_bits_out *bits, const struct plan *plan, const uint64_t *values,
                     size_t count)
{
    ops_bits_put(bits, plan->buckets, 1);
    ops_bits_put(bits, (uint64_t)plan->form, FORM_BITS);
    put_number(bits, zigzag(plan->base));
    if (plan->form == FORM_SAME)
        return;
    put_number(bits, plan->divisor);
    ops_bits_put(bits, plan->shift, SHIFT_BITS);
    put_codes(bits, plan, values, count);
}

/* What a column is written as. */
struct choice {
    uint64_t plain[OPS_BLOCK_FRAMES], numbers[OPS_BLOCK_FRAMES];
    struct plan plan;
};

static void choose(struct choice *choice, const int64_t *values, size_t count)
{
    struct plan other;
    assert(count >= 1 && count <= OPS_BLOCK_FRAMES);
    for (size_t i = 0; i < count; i++)
        choice->plain[i] = (uint64_t)values[i];
    choose_plan(&choice->plan, choice->plain, count);
    if (choice->plan.form != FORM_SAME && to_buckets(choice->numbers, values, count)) {
        choose_plan(&other, choice->numbers, count);
        other.buckets = true;
        keep_cheaper(&choice->plan, &other);
    }
}

unsigned ops_column_cost(const int64_t *values, size_t count)
{
    struct choice choice;
    choose(&choice, values, count);
    return choice.plan.bits + 1 + FORM_BITS;
}

void ops_column_write(struct ops_bits_out *bits, const int64_t *values, size_t count)
{
    struct choice choice;
    choose(&choice, values, count);
    put_plan(bits, &choice.plan, choice.plan.buckets ? choice.numbers : choice.plain, count);
}

static uint64_t get_value(struct ops_bits_in *bits, const struct plan *plan, uint64_t before)
{
    if (plan->form == FORM_SPARSE && ops_bits_get(bits, 1) == 0)
        return plan->base;
    uint64_t code = get_rice(bits, plan->shift);
    if (plan->form == FORM_LEVEL)
        return plan->base + code * plan->divisor;
    uint64_t difference = unzigzag(code) * plan->divisor;
    return (plan->form == FORM_DELTA ? before : plan->base) + difference;
}

bool ops_column_read(struct ops_bits_in *bits, int64_t *ret_values, size_t count)
{
    struct plan plan = {.buckets = ops_bits_get(bits, 1) == 1};
    plan.form = (enum form)ops_bits_get(bits, FORM_BITS);
    plan.base = unzigzag(get_number(bits));
    if (plan.form != FORM_SAME) {
        plan.divisor = get_number(bits);
        plan.shift = (unsigned)ops_bits_get(bits, SHIFT_BITS);
    }
    uint64_t value = plan.base;
    for (size_t i = 0; i < count; i++) {
        if (plan.form != FORM_SAME && !(plan.form == FORM_DELTA && i == 0))
            value = get_value(bits, &plan, value);
        if (!plan.buckets)
            ret_values[i] = (int64_t)value;
        else if (!from_bucket(value, &ret_values[i]))
            return false;
    }
    return !bits->bad;
}
