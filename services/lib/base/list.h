/* Intrusive doubly linked list with a head; all O(1) but to count. A link that is in no list
 * points to itself. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>

struct aion_link {
    struct aion_link *next, *prev;
};

static inline void aion_list_init(struct aion_link *head)
{
    head->next = head->prev = head;
}
static inline bool aion_list_empty(const struct aion_link *head)
{
    return head->next == head;
}
static inline void aion_list_add_last(struct aion_link *head, struct aion_link *link)
{
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}
static inline void aion_list_add_first(struct aion_link *head, struct aion_link *link)
{
    link->next = head->next;
    link->prev = head;
    head->next->prev = link;
    head->next = link;
}
/* Leaves the link as one that is in no list, so removing twice is harmless. */
static inline void aion_list_remove(struct aion_link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->next = link->prev = link;
}
static inline struct aion_link *aion_list_first(struct aion_link *head)
{
    return head->next == head ? NULL : head->next;
}
/* Walks the list: for those that are short. */
static inline size_t aion_list_count(const struct aion_link *head)
{
    size_t count = 0;
    for (const struct aion_link *link = head->next; link != head; link = link->next)
        count++;
    return count;
}

#define aion_list_each(pos, head) \
    for (struct aion_link *pos = (head)->next; pos != (head); pos = pos->next)
/* The body may remove `pos`. */
#define aion_list_each_safe(pos, head)                                                 \
    for (struct aion_link *pos = (head)->next, *pos##_next = pos->next; pos != (head); \
         pos = pos##_next, pos##_next = pos->next)

#endif
