/* What control, the router and retention may answer: any message to any question, shown in any
 * view, sought and compared. Input: pieces of {question, view and key, size 2 bytes, message}.
 */
#include "app.h"

#include "codec/message.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct mesh_method *methods[TUI_ASKS]; /* as they are asked */
static uint64_t ids[TUI_ASKS];
static struct tui_app *under_test;

static void port_call(void *user, uint64_t id, enum tui_peer peer,
                      const struct mesh_method *method, const ProtobufCMessage *request)
{
    (void)user;
    (void)peer;
    (void)request;
    for (size_t i = 0; i < TUI_ASKS; i++)
        if (under_test->answers.list[i].id == id) {
            methods[i] = method;
            ids[i] = id;
        }
}

static void port_cancel(void *user, uint64_t id)
{
    (void)user;
    (void)id;
}

static void port_renew(void *user, enum tui_peer peer)
{
    (void)user;
    (void)peer;
}

static bool port_copy(void *user, aion_str text, struct aion_err *err)
{
    (void)user;
    return text.size % 2 == 0 || aion_fail(err, AION_PRECONDITION, "there is no clipboard");
}

static bool port_save(void *user, const char *path, aion_str bytes, struct aion_err *err)
{
    (void)user;
    (void)path;
    (void)bytes;
    (void)err;
    return true;
}

static bool port_record(void *user, const char *path, struct aion_err *err)
{
    (void)user;
    (void)path;
    (void)err;
    return false;
}

static void answer(struct tui_app *app, enum tui_ask ask, aion_str wire, struct tui_time now)
{
    const struct codec_scan_limits limits = {.bytes_max = 1 << 20, .elements_max = 20000};
    struct aion_arena arena;
    struct aion_err err;
    if (methods[ask] == NULL)
        return;
    aion_arena_init(&arena, 16 << 20, NULL, 0);
    const ProtobufCMessage *message =
        codec_unpack(methods[ask]->reply, wire, &limits, &arena, &err);
    if (message != NULL)
        tui_app_message(app, ids[ask], message, now);
    else
        tui_app_ended(app, ids[ask], &err, now);
    aion_arena_done(&arena);
}

static void check(const struct tui_canvas *canvas)
{
    for (int i = 0; i < canvas->rows * canvas->cols; i++) {
        uint32_t ch = canvas->cells[i].ch;
        assert(ch == 0 || ch == ' ' || tui_char_shown(ch));
        assert(canvas->cells[i].role < TUI_ROLES);
    }
}

static void piece(struct tui_app *app, struct tui_canvas *canvas, const uint8_t *head,
                  aion_str wire, struct tui_time now)
{
    static const uint32_t keys[] = {'j', TUI_KEY_ENTER, '[', '=', 'p', TUI_KEY_TAB, 's', ' '};
    const struct tui_event event = {.kind = TUI_EVENT_KEY, .key = keys[head[1] >> 3 & 7]};
    app->view = head[1] & 7;
    tui_app_tick(app, now);
    answer(app, (enum tui_ask)(head[0] % TUI_ASKS), wire, now);
    if ((head[1] & 0x80) != 0)
        tui_app_event(app, &event, now);
    tui_app_draw(app, canvas, now);
    check(canvas);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tui_app app;
    static const struct tui_port port = {.call = port_call,
                                         .cancel = port_cancel,
                                         .renew = port_renew,
                                         .copy = port_copy,
                                         .save = port_save,
                                         .record = port_record};
    struct tui_canvas canvas = {.rows = 0};
    struct tui_time now = {1000000, INT64_C(1795435200000000)};
    under_test = &app;
    memset(methods, 0, sizeof(methods));
    if (!tui_app_init(&app, &port, now) || !tui_canvas_resize(&canvas, 40, 130))
        return 0;
    tui_app_tick(&app, now);
    for (int count = 0; size >= 4 && count < 32; count++) {
        size_t wire = data[2] | (size_t)data[3] << 8;
        wire = wire < size - 4 ? wire : size - 4;
        now.mono_us += 300000;
        now.utc_us += 300000;
        piece(&app, &canvas, data, aion_str_n(data + 4, wire), now);
        data += 4 + wire;
        size -= 4 + wire;
    }
    tui_app_done(&app);
    tui_canvas_done(&canvas);
    return 0;
}
