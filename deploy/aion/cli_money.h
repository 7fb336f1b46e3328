/* Money on the command line: US dollars as people write them, nano-dollars as they are kept.
 * Integers from the first digit to the last: no sum is ever rounded. Pure. */
#ifndef CLI_MONEY_H
#define CLI_MONEY_H

#include "base/str.h"

enum { CLI_MONEY_SIZE = 24 };

/* "12", "12.5", "0.000000001", "$3" (US dollars, at most nine digits behind the point) or
 * "500nano" (nano-dollars). False: none of these, negative, or more than an int64_t of
 * nano-dollars holds. */
bool cli_money_parse(aion_str text, int64_t *ret_nano);
/* US dollars with all nine digits: "12.500000000", "-0.000000001". */
const char *cli_money_text(char out[CLI_MONEY_SIZE], int64_t nano);

#endif
