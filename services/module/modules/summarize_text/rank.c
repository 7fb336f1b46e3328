/* TextRank: sentences are nodes, common words are edges, PageRank finds the ones that matter.
 *
 * weight(a, b) = common words / (log |a| + log |b|), as in the paper. Edges are found through
 * an inverted index; words that stand in more than a quarter of the sentences make none
 * (function words of any language). */
#include "summarize_private.h"

#include <math.h>

enum { ROUNDS_MAX = 60, EDGES_MAX = 4000000 };
static const double damping = 0.85;
static const double settled = 1e-4; /* largest change of a rank that ends the rounds */

struct edge {
    uint32_t to;
    float weight;
};

struct graph {
    struct edge *edges; /* of node i: [first[i], first[i + 1]) */
    uint32_t *first;
    double *out; /* sum of a node's weights */
};

/* sentences_of[start[w] .. start[w + 1]) are the sentences with word w. */
struct postings {
    uint32_t *start, *sentences;
};

static bool make_postings(const struct summarize_words *words, size_t count,
                          uint32_t vocabulary, struct aion_arena *arena,
                          struct postings *postings)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += words[i].count;
    postings->start = aion_arena_array(arena, (size_t)vocabulary + 2, sizeof(uint32_t));
    postings->sentences = aion_arena_array(arena, total + 1, sizeof(uint32_t));
    if (postings->start == NULL || postings->sentences == NULL)
        return false;
    /* Counting sort: start[w + 1] first counts, then holds where word w's sentences begin. */
    uint32_t *next = postings->start + 1;
    for (size_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < words[i].count; k++)
            next[words[i].ids[k]]++;
    uint32_t sum = 0;
    for (uint32_t w = 0; w <= vocabulary; w++) {
        uint32_t here = next[w];
        next[w] = sum;
        sum += here;
    }
    for (size_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < words[i].count; k++)
            postings->sentences[next[words[i].ids[k]]++] = (uint32_t)i;
    return true;
}

/* Common words of sentence `from` with every other one, into shared[]; lists the touched in
 * near[]. */
static uint32_t count_shared(const struct summarize_words *words, uint32_t from,
                             const struct postings *postings, size_t common_max,
                             uint32_t *shared, uint32_t *near)
{
    uint32_t found = 0;
    for (uint32_t k = 0; k < words[from].count; k++) {
        uint32_t w = words[from].ids[k];
        uint32_t begin = postings->start[w], end = postings->start[w + 1];
        if (end - begin > common_max)
            continue;
        for (uint32_t p = begin; p < end; p++) {
            uint32_t other = postings->sentences[p];
            if (other != from && shared[other]++ == 0)
                near[found++] = other;
        }
    }
    return found;
}

static bool make_graph(const struct summarize_words *words, size_t count,
                       const struct postings *postings, struct aion_arena *arena,
                       struct graph *graph)
{
    size_t common_max = count < 16 ? count : count / 4;
    size_t capacity = count * count < EDGES_MAX ? count * count : EDGES_MAX;
    uint32_t *shared = aion_arena_array(arena, count, sizeof(*shared));
    uint32_t *near = aion_arena_array(arena, count, sizeof(*near));
    graph->edges = aion_arena_array(arena, capacity + 1, sizeof(*graph->edges));
    graph->first = aion_arena_array(arena, count + 1, sizeof(*graph->first));
    graph->out = aion_arena_array(arena, count, sizeof(*graph->out));
    if (shared == NULL || near == NULL || graph->edges == NULL || graph->first == NULL ||
        graph->out == NULL)
        return false;
    uint32_t used = 0;
    for (uint32_t i = 0; i < count; i++) {
        graph->first[i] = used;
        uint32_t found = count_shared(words, i, postings, common_max, shared, near);
        for (uint32_t n = 0; n < found; n++) {
            uint32_t j = near[n];
            double scale = log(words[i].count + 1.0) + log(words[j].count + 1.0);
            if (used < capacity) {
                graph->edges[used].to = j;
                graph->edges[used].weight = (float)(shared[j] / scale);
                graph->out[i] += (double)graph->edges[used++].weight;
            }
            shared[j] = 0;
        }
    }
    graph->first[count] = used;
    return true;
}

/* One round; returns the largest change. */
static double round_of(const struct graph *graph, size_t count, const double *ranks,
                       double *next)
{
    for (size_t i = 0; i < count; i++)
        next[i] = 1 - damping;
    for (size_t i = 0; i < count; i++)
        for (uint32_t e = graph->first[i]; e < graph->first[i + 1]; e++)
            next[graph->edges[e].to] +=
                damping * ranks[i] * (double)graph->edges[e].weight / graph->out[i];
    double change = 0;
    for (size_t i = 0; i < count; i++)
        change = fmax(change, fabs(next[i] - ranks[i]));
    return change;
}

bool summarize_rank(const struct summarize_words *words, size_t count, uint32_t vocabulary,
                    struct aion_arena *arena, double *ranks)
{
    struct postings postings;
    struct graph graph;
    double *next = aion_arena_array(arena, count, sizeof(*next));
    if (next == NULL || !make_postings(words, count, vocabulary, arena, &postings) ||
        !make_graph(words, count, &postings, arena, &graph))
        return false;
    for (size_t i = 0; i < count; i++)
        ranks[i] = 1;
    for (int round = 0; round < ROUNDS_MAX; round++) {
        double change = round_of(&graph, count, ranks, next);
        memcpy(ranks, next, count * sizeof(*ranks));
        if (change < settled)
            break;
    }
    return true;
}
