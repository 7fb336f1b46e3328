/* Message heads: find the end, split the lines, then judge the fields that frame the message.
 *
 * The end is searched first and alone, with memchr, so that a head that arrives in many pieces
 * costs linear time; bare CR and LF are refused there, before the head is complete. */
#include "http1/head.h"

#include "http1/chars.h"

struct parse {
    struct http1_head *head;
    unsigned hosts, lengths, encodings, expects;
    aion_str encoding, expect;
    const char *why;
};

static enum http1_result refuse(struct parse *parse, enum http1_result result, const char *why)
{
    parse->why = why;
    return result;
}

static bool all_of(aion_str s, unsigned classes)
{
    for (size_t i = 0; i < s.size; i++)
        if (!http1_is(s.data[i], classes))
            return false;
    return true;
}

/* -- the end of the head ------------------------------------------------------------------ */

/* The empty line's end, or MORE. A line end is CR LF, both or neither. */
static enum http1_result find_end(aion_str bytes, size_t *scanned, size_t *ret_size,
                                  const char **ret_why)
{
    size_t at = *scanned;
    while (at < bytes.size) {
        const char *from = bytes.data + at;
        const char *cr = memchr(from, '\r', bytes.size - at);
        size_t plain = cr != NULL ? (size_t)(cr - from) : bytes.size - at;
        if (memchr(from, '\n', plain) != NULL) {
            *ret_why = "bare LF in the head";
            return HTTP1_BAD;
        }
        at += plain;
        if (at + 1 >= bytes.size)
            break; /* no CR, or its LF is still to come */
        if (bytes.data[at + 1] != '\n') {
            *ret_why = "bare CR in the head";
            return HTTP1_BAD;
        }
        at += 2;
        if (at >= 4 && bytes.data[at - 3] == '\n') {
            *ret_size = at;
            return HTTP1_DONE;
        }
    }
    *scanned = at;
    return HTTP1_MORE;
}

/* The line at the front of *rest without its CRLF; *rest has at least one. */
static aion_str take_line(aion_str *rest)
{
    aion_str line = aion_str_n(rest->data, aion_str_index(*rest, '\r'));
    *rest = aion_str_n(rest->data + line.size + 2, rest->size - line.size - 2);
    return line;
}

/* -- request line ------------------------------------------------------------------------- */

static bool valid_host(aion_str host)
{
    size_t end;
    if (host.size > 0 &&
        host.data[0] == '[') { /* IP literal: hex digits, dots and colons inside */
        end = aion_str_index(host, ']');
        if (end == SIZE_MAX || end < 3)
            return false;
        for (size_t i = 1; i < end; i++)
            if (host.data[i] != ':' && !http1_is(host.data[i], HTTP1_HOST))
                return false;
        end++;
    } else {
        end = aion_str_index(host, ':');
        end = end == SIZE_MAX ? host.size : end;
        if (end == 0 || !all_of(aion_str_n(host.data, end), HTTP1_HOST))
            return false;
    }
    if (end == host.size)
        return true;
    aion_str port = aion_str_n(host.data + end + 1, host.size - end - 1);
    return host.data[end] == ':' && port.size <= 5 && all_of(port, HTTP1_DIGIT);
}

static void split_query(struct http1_head *head, aion_str path)
{
    size_t mark = aion_str_index(path, '?');
    head->path = mark == SIZE_MAX ? path : aion_str_n(path.data, mark);
    head->query = mark == SIZE_MAX ? (aion_str){0}
                                   : aion_str_n(path.data + mark + 1, path.size - mark - 1);
}

/* "http://host/path?query": the target's host counts, not the Host field's (RFC 9112 §3.2.2).
 */
static enum http1_result absolute_form(struct parse *parse, aion_str target)
{
    size_t scheme = 0;
    if (target.size > 7 && aion_str_caseeq(aion_str_n(target.data, 7), AION_STR("http://")))
        scheme = 7;
    else if (target.size > 8 &&
             aion_str_caseeq(aion_str_n(target.data, 8), AION_STR("https://")))
        scheme = 8;
    else
        return refuse(parse, HTTP1_BAD, "the target is neither a path nor an http URI");
    aion_str rest = aion_str_n(target.data + scheme, target.size - scheme);
    size_t end = 0;
    while (end < rest.size && rest.data[end] != '/' && rest.data[end] != '?')
        end++;
    parse->head->host = aion_str_n(rest.data, end);
    if (!valid_host(parse->head->host))
        return refuse(parse, HTTP1_BAD, "the target's host is malformed");
    split_query(parse->head, aion_str_n(rest.data + end, rest.size - end));
    if (parse->head->path.size == 0)
        parse->head->path = AION_STR("/");
    return HTTP1_DONE;
}

static enum http1_result parse_target(struct parse *parse, aion_str target)
{
    struct http1_head *head = parse->head;
    if (target.size == 0 || !all_of(target, HTTP1_URI))
        return refuse(parse, HTTP1_BAD, "the target holds a character that a URI may not");
    head->target = target;
    if (aion_str_is(head->method, "CONNECT"))
        return refuse(parse, HTTP1_METHOD, "CONNECT is not served");
    if (target.data[0] == '/') {
        split_query(head, target);
        return HTTP1_DONE;
    }
    if (aion_str_is(target, "*") && aion_str_is(head->method, "OPTIONS")) {
        head->path = target;
        return HTTP1_DONE;
    }
    return absolute_form(parse, target);
}

static enum http1_result parse_version(struct parse *parse, aion_str version)
{
    if (version.size != 8 || !aion_str_starts(version, AION_STR("HTTP/")) ||
        !http1_is(version.data[5], HTTP1_DIGIT) || version.data[6] != '.' ||
        !http1_is(version.data[7], HTTP1_DIGIT))
        return refuse(parse, HTTP1_BAD, "the version is not HTTP/digit.digit");
    if (version.data[5] != '1')
        return refuse(parse, HTTP1_VERSION, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    parse->head->minor =
        version.data[7] == '0' ? 0 : 1; /* higher minors read as 1 (RFC 9110 §2.5) */
    parse->head->keep_alive = parse->head->minor == 1;
    return HTTP1_DONE;
}

/* Exactly one space between the three parts. */
static enum http1_result parse_request_line(struct parse *parse, aion_str line)
{
    if (line.size > HTTP1_LINE_MAX)
        return refuse(parse, HTTP1_TARGET, "the request line is too long");
    size_t first = aion_str_index(line, ' ');
    if (first == SIZE_MAX)
        return refuse(parse, HTTP1_BAD, "the request line has no target");
    parse->head->method = aion_str_n(line.data, first);
    aion_str rest = aion_str_n(line.data + first + 1, line.size - first - 1);
    size_t second = aion_str_index(rest, ' ');
    if (second == SIZE_MAX)
        return refuse(parse, HTTP1_BAD, "the request line has no version");
    if (first == 0 || !all_of(parse->head->method, HTTP1_TOKEN))
        return refuse(parse, HTTP1_BAD, "the method is not a token");
    enum http1_result result =
        parse_version(parse, aion_str_n(rest.data + second + 1, rest.size - second - 1));
    if (result != HTTP1_DONE)
        return result;
    return parse_target(parse, aion_str_n(rest.data, second));
}

/* -- fields ------------------------------------------------------------------------------- */

static void take_connection(struct http1_head *head, aion_str value)
{
    while (value.data != NULL) {
        aion_str token = aion_str_trim(aion_str_cut(&value, ','));
        if (aion_str_caseeq(token, AION_STR("close")))
            head->keep_alive = false;
        else if (aion_str_caseeq(token, AION_STR("keep-alive")) && head->minor == 0)
            head->keep_alive = true;
        else if (aion_str_caseeq(token, AION_STR("upgrade")))
            head->upgrade = true;
    }
}

/* Notes the fields that frame the message; what they say together is judged at the end. */
static enum http1_result take_framing(struct parse *parse, const struct http1_field *field)
{
    struct http1_head *head = parse->head;
    if (aion_str_caseeq(field->name, AION_STR("host"))) {
        parse->hosts++;
        if (!valid_host(field->value))
            return refuse(parse, HTTP1_BAD, "the Host field is malformed");
        if (head->host.data == NULL)
            head->host = field->value;
    } else if (aion_str_caseeq(field->name, AION_STR("content-length"))) {
        parse->lengths++;
        if (!all_of(field->value, HTTP1_DIGIT) || !aion_str_u64(field->value, &head->length))
            return refuse(parse, HTTP1_BAD, "Content-Length is no number");
    } else if (aion_str_caseeq(field->name, AION_STR("transfer-encoding"))) {
        parse->encodings++;
        parse->encoding = field->value;
    } else if (aion_str_caseeq(field->name, AION_STR("connection"))) {
        take_connection(head, field->value);
    } else if (aion_str_caseeq(field->name, AION_STR("expect"))) {
        parse->expects++;
        parse->expect = field->value;
    }
    return HTTP1_DONE;
}

static enum http1_result parse_field(struct parse *parse, aion_str line)
{
    struct http1_head *head = parse->head;
    if (line.size > HTTP1_LINE_MAX)
        return refuse(parse, HTTP1_LARGE, "a field is too long");
    if (line.data[0] == ' ' || line.data[0] == '\t')
        return refuse(parse, HTTP1_BAD, "a folded field (obs-fold)");
    if (head->field_count == HTTP1_FIELDS_MAX)
        return refuse(parse, HTTP1_LARGE, "too many fields");
    size_t colon = aion_str_index(line, ':');
    if (colon == SIZE_MAX || colon == 0 || !all_of(aion_str_n(line.data, colon), HTTP1_TOKEN))
        return refuse(parse, HTTP1_BAD, "a field's name is not a token followed by a colon");
    struct http1_field *field = &head->fields[head->field_count++];
    field->name = aion_str_n(line.data, colon);
    field->value = aion_str_trim(aion_str_n(line.data + colon + 1, line.size - colon - 1));
    if (!all_of(field->value, HTTP1_VALUE))
        return refuse(parse, HTTP1_BAD, "a field's value holds a control character");
    return take_framing(parse, field);
}

/* RFC 9112 §6.1, §6.3 leave repairs to the reader; here every doubt is refused. */
static enum http1_result judge(struct parse *parse)
{
    struct http1_head *head = parse->head;
    if (parse->hosts > 1 || (parse->hosts == 0 && head->minor == 1))
        return refuse(parse, HTTP1_BAD, "exactly one Host field is needed");
    if (parse->lengths > 1)
        return refuse(parse, HTTP1_BAD, "more than one Content-Length");
    if (parse->encodings > 0 && parse->lengths > 0)
        return refuse(parse, HTTP1_BAD, "Content-Length with Transfer-Encoding");
    if (parse->encodings > 1 || (parse->encodings > 0 && head->minor == 0))
        return refuse(parse, HTTP1_BAD, "Transfer-Encoding twice, or in HTTP/1.0");
    if (parse->encodings > 0 && !aion_str_caseeq(parse->encoding, AION_STR("chunked")))
        return refuse(parse, HTTP1_METHOD, "a Transfer-Encoding other than chunked");
    if (parse->expects > 0 && !aion_str_caseeq(parse->expect, AION_STR("100-continue")))
        return refuse(parse, HTTP1_EXPECT, "an expectation other than 100-continue");
    head->chunked = parse->encodings > 0;
    head->has_length = parse->lengths > 0;
    head->expect_continue = parse->expects > 0 && head->minor == 1;
    return HTTP1_DONE;
}

static void clear(struct http1_head *head)
{
    memset(head, 0,
           offsetof(struct http1_head, fields)); /* fields: field_count says how many */
}

enum http1_result http1_head_parse(aion_str bytes, size_t *scanned, struct http1_head *head,
                                   size_t *ret_size, const char **ret_why)
{
    struct parse parse = {.head = head};
    enum http1_result result = find_end(bytes, scanned, ret_size, ret_why);
    if (result != HTTP1_DONE)
        return result;
    clear(head);
    aion_str rest = aion_str_n(bytes.data, *ret_size - 2);
    if (rest.data[0] == '\r') /* one empty line before the request is skipped (RFC 9112 §2.2) */
        rest = aion_str_n(rest.data + 2, rest.size - 2);
    if (rest.size == 0) {
        *ret_why = "empty lines instead of a request";
        return HTTP1_BAD;
    }
    result = parse_request_line(&parse, take_line(&rest));
    while (result == HTTP1_DONE && rest.size > 0)
        result = parse_field(&parse, take_line(&rest));
    if (result == HTTP1_DONE)
        result = judge(&parse);
    if (result != HTTP1_DONE)
        *ret_why = parse.why;
    return result;
}

int http1_result_status(enum http1_result result)
{
    switch (result) {
    case HTTP1_LARGE:
        return 431;
    case HTTP1_VERSION:
        return 505;
    case HTTP1_METHOD:
        return 501;
    case HTTP1_TARGET:
        return 414;
    case HTTP1_EXPECT:
        return 417;
    case HTTP1_MORE:
    case HTTP1_DONE:
    case HTTP1_BAD:
    default:
        return 400;
    }
}

aion_str http1_field_get(const struct http1_head *head, const char *name)
{
    aion_str wanted = aion_str_of(name);
    for (size_t i = 0; i < head->field_count; i++)
        if (aion_str_caseeq(head->fields[i].name, wanted))
            return head->fields[i].value;
    return (aion_str){0};
}
