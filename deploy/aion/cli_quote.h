/* Quoting a policy: the item that stands at a line of a YAML file. Pure. */
#ifndef CLI_QUOTE_H
#define CLI_QUOTE_H

#include "base/str.h"

/* That line (from 1) and those after it that are indented deeper, without the last line end;
 * data NULL: there is no such line, or it is empty. */
aion_str cli_quote_item(aion_str text, unsigned line);
/* Splits "10-default.yaml:22 summaries-stay-here", as Engine.reason has it; false: it is of
 * another form. */
bool cli_quote_place(const char *reason, aion_str *ret_file, unsigned *ret_line);

#endif
