/* Names: protobuf-c's rules are followed letter for letter, so that our tables find its
 * symbols. */
#include "codegen.h"

#include <stdlib.h>

static void *must(void *memory)
{
    if (memory == NULL)
        abort();
    return memory;
}

static bool upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static char to_lower(char c)
{
    return upper(c) ? (char)(c + 32) : c;
}

static char to_upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
}

/* CamelCase → lower; `_` only between a lower and an upper letter; `.` → separator. */
static const char *lower_with(struct codegen *gen, const char *name, const char *separator)
{
    char *out = must(aion_arena_alloc(&gen->arena, strlen(name) * 3 + 1));
    char *at = out;
    bool was_upper = true;
    for (; *name != '\0'; name++) {
        if (*name == '.') {
            at = stpcpy(at, separator);
            was_upper = true;
            continue;
        }
        if (upper(*name) && !was_upper)
            *at++ = '_';
        was_upper = upper(*name);
        *at++ = to_lower(*name);
    }
    *at = '\0';
    return out;
}

const char *codegen_lower(struct codegen *gen, const char *full_name)
{
    return lower_with(gen, full_name, "__");
}

const char *codegen_snake(struct codegen *gen, const char *full_name)
{
    return lower_with(gen, full_name, "_");
}

const char *codegen_type(struct codegen *gen, const char *full_name)
{
    char *out = must(aion_arena_alloc(&gen->arena, strlen(full_name) * 2 + 1));
    char *at = out;
    bool next_upper = true;
    for (; *full_name != '\0'; full_name++) {
        if (*full_name == '.')
            at = stpcpy(at, "__");
        if (*full_name == '.' || *full_name == '_') {
            next_upper = true;
            continue;
        }
        *at++ = next_upper ? to_upper(*full_name) : *full_name;
        next_upper = false;
    }
    *at = '\0';
    return out;
}

const char *codegen_upper(struct codegen *gen, const char *text)
{
    char *out = must(aion_arena_text(&gen->arena, aion_str_of(text)));
    for (char *at = out; *at != '\0'; at++)
        *at = to_upper(*at);
    return out;
}

const char *codegen_file(struct codegen *gen, const char *path)
{
    char *out = must(aion_arena_alloc(&gen->arena, strlen(path) * 2 + 1));
    char *at = out;
    for (; *path != '\0'; path++) {
        if (*path == '/')
            at = stpcpy(at, "__");
        else
            *at++ = *path == '.' || *path == '-' ? '_' : *path;
    }
    *at = '\0';
    return out;
}

const char *codegen_path(struct codegen *gen, const char *proto, const char *ending)
{
    aion_str stem = aion_str_of(proto);
    if (aion_str_ends(stem, AION_STR(".proto")))
        stem.size -= strlen(".proto");
    return must(aion_arena_printf(&gen->arena, "%.*s%s", AION_STR_ARG(stem), ending));
}

const char *codegen_absolute(const char *type_name)
{
    return type_name[0] == '.' ? type_name + 1 : type_name;
}

const char *codegen_full(struct codegen *gen, const char *scope, const char *name)
{
    if (scope == NULL || scope[0] == '\0')
        return name;
    return must(aion_arena_printf(&gen->arena, "%s.%s", scope, name));
}

/* -- walking -------------------------------------------------------------- */

static bool walk_enums(struct codegen *gen, enum_proto *const *enums, size_t count,
                       const char *scope, codegen_enum_fn *on_enum, void *user)
{
    for (size_t i = 0; on_enum != NULL && i < count; i++)
        if (!on_enum(gen, enums[i], codegen_full(gen, scope, enums[i]->name), user))
            return false;
    return true;
}

/* Recursive over nested messages: protoc itself bounds the nesting of a .proto (32). */
static bool walk_messages(struct codegen *gen, message_proto *const *messages, size_t count,
                          const char *scope, codegen_message_fn *on_message,
                          codegen_enum_fn *on_enum, void *user)
{
    for (size_t i = 0; i < count; i++) {
        const message_proto *message = messages[i];
        const char *full = codegen_full(gen, scope, message->name);
        if (on_message != NULL && !on_message(gen, message, full, user))
            return false;
        if (!walk_enums(gen, message->enum_type, message->n_enum_type, full, on_enum, user) ||
            !walk_messages(gen, message->nested_type, message->n_nested_type, full, on_message,
                           on_enum, user))
            return false;
    }
    return true;
}

bool codegen_walk(struct codegen *gen, const file_proto *file, codegen_message_fn *on_message,
                  codegen_enum_fn *on_enum, void *user)
{
    return walk_enums(gen, file->enum_type, file->n_enum_type, file->package, on_enum, user) &&
           walk_messages(gen, file->message_type, file->n_message_type, file->package,
                         on_message, on_enum, user);
}

struct search {
    const char *name;
    const message_proto *found;
};

static bool compare_name(struct codegen *gen, const message_proto *message,
                         const char *full_name, void *user)
{
    struct search *search = user;
    (void)gen;
    if (strcmp(full_name, search->name) != 0)
        return true;
    search->found = message;
    return false;
}

const message_proto *codegen_find(struct codegen *gen, const char *full_name)
{
    struct search search = {full_name, NULL};
    for (size_t i = 0; i < gen->request->n_proto_file; i++)
        if (!codegen_walk(gen, gen->request->proto_file[i], compare_name, NULL, &search))
            break;
    return search.found;
}
