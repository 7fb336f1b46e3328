/* Deep copies of messages, by their descriptors: what one thread hands to another, and what is
 * kept of it. Less work than to pack them and to unpack them again. */
#ifndef TUI_COPY_H
#define TUI_COPY_H

#include "base/arena.h"

#include <protobuf-c/protobuf-c.h>

/* A copy in the arena without fields that are not known; NULL: the arena's limit. The original
 * has been unpacked by codec, which bounds its depth, or is ours. */
ProtobufCMessage *tui_message_copy(const ProtobufCMessage *from, struct aion_arena *arena);

#endif
