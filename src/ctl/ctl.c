#include "ctl/ctl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "ctl/format.h"

#define SERVER_DEFAULT "127.0.0.1:50051"
#define TIMEOUT_DEFAULT_S 10
#define TIMEOUT_MAX_S 3600
#define TOKEN_MAX 8192

const char *lb_ctl_option(const struct lb_ctl *c, const char *name) {
    return lb_args_value(&c->args, name);
}

int lb_ctl_fail(struct lb_ctl *c, int code, const char *format, ...) {
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int n = vasprintf(&text, format, args);
    va_end(args);
    lb_buf_clear(&c->why);
    lb_buf_append(&c->why, n < 0 ? LB_S("out of memory") : lb_slice_cstr(text));
    if (n >= 0)
        free(text);
    return code;
}

/* ---- the server ---- */

static int read_token(struct lb_ctl *c) {
    const char *path = lb_ctl_option(c, "token-file");
    const char *value = getenv("LOBOS_TOKEN");
    char text[TOKEN_MAX];
    if (path) {
        FILE *file = fopen(path, "re");
        size_t n = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
        bool failed = !file || ferror(file) || !feof(file);
        if (file)
            fclose(file);
        if (failed)
            return lb_ctl_fail(c, LB_EXIT_USAGE, "--token-file %s: %s", path,
                               file ? "is no token" : strerror(errno));
        text[n] = '\0';
        text[strcspn(text, "\r\n")] = '\0';
        value = text;
    }
    if (value && value[0]) {
        lb_buf_append(&c->token, lb_slice_cstr(value));
        lb_buf_append_char(&c->token, '\0');
    }
    explicit_bzero(text, sizeof(text));
    for (size_t i = 0; i + 1 < c->token.len; i++) {
        if (c->token.ptr[i] <= ' ' || c->token.ptr[i] > '~')
            return lb_ctl_fail(c, LB_EXIT_USAGE, "the token has a character no token can have");
    }
    return 0;
}

static bool is_loopback(const char *server) {
    static const char *const local[] = {"127.", "localhost:", "[::1]:", "unix:"};
    for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
        if (strncmp(server, local[i], strlen(local[i])) == 0)
            return true;
    }
    return false;
}

static int connect_server(struct lb_ctl *c) {
    const char *server = lb_ctl_option(c, "server");
    const char *timeout = lb_ctl_option(c, "timeout");
    uint64_t timeout_s = TIMEOUT_DEFAULT_S;
    if (!server)
        server = getenv("LOBOS_SERVER");
    if (!server || !server[0])
        server = SERVER_DEFAULT;
    if (!strchr(server, ':') || strstr(server, "://"))
        return lb_ctl_fail(c, LB_EXIT_USAGE, "--server %s: must be HOST:PORT, such as %s", server,
                           SERVER_DEFAULT);
    if (timeout && (lb_slice_to_u64(lb_slice_cstr(timeout), &timeout_s) < 0 || timeout_s < 1 ||
                    timeout_s > TIMEOUT_MAX_S))
        return lb_ctl_fail(c, LB_EXIT_USAGE, "--timeout %s: must be 1 to %d seconds", timeout,
                           TIMEOUT_MAX_S);
    int err = read_token(c);
    if (err)
        return err;
    struct lb_client_options options = {
        .server = server,
        .ca = lb_ctl_option(c, "ca"),
        .certificate = lb_ctl_option(c, "cert"),
        .key = lb_ctl_option(c, "key"),
        .token = c->token.ptr,
        .timeout_s = (int)timeout_s,
    };
    if (options.token && !options.ca && !is_loopback(server))
        return lb_ctl_fail(c, LB_EXIT_USAGE,
                           "the token would go to %s in clear: --ca FILE turns on TLS", server);
    return lb_client_new(&options, &c->why, &c->client);
}

int lb_ctl_call(struct lb_ctl *c, const char *method, const ProtobufCMessage *request, void *ret) {
    ProtobufCMessage *reply;
    int err = c->client ? 0 : connect_server(c);
    if (err == 0)
        err = lb_client_call(c->client, method, request, &c->why, &reply);
    if (err == 0)
        *(ProtobufCMessage **)ret = reply;
    return err;
}

int lb_ctl_call_done(struct lb_ctl *c, const char *method, const ProtobufCMessage *request) {
    Lobosadmin__Done *done;
    int err = lb_ctl_call(c, method, request, &done);
    if (err)
        return err;
    if (c->json) {
        lb_json_object(&c->doc, NULL);
        lb_json_str(&c->doc, "message", done->message);
        lb_json_end(&c->doc);
    } else {
        lb_text_escape(&c->out, lb_slice_cstr(done->message));
        lb_buf_append_char(&c->out, '\n');
    }
    lb_message_free(&done->base);
    return 0;
}

/* ---- the person ---- */

int lb_ctl_confirm(struct lb_ctl *c, const char *format, ...) {
    char question[512], answer[16];
    if (c->yes)
        return 0;
    va_list args;
    va_start(args, format);
    vsnprintf(question, sizeof(question), format, args);
    va_end(args);
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
        return lb_ctl_fail(c, LB_EXIT_USAGE, "%s Give --yes to do it without being asked",
                           question);
    fprintf(stderr, "%s Go on? [y/N] ", question);
    if (!fgets(answer, sizeof(answer), stdin))
        answer[0] = '\0';
    if (answer[0] == 'y' || answer[0] == 'Y')
        return 0;
    return lb_ctl_fail(c, LB_EXIT_FAILED, "nothing was done");
}

int lb_ctl_moment(struct lb_ctl *c, const char *text, int64_t *ret) {
    if (lb_parse_moment(text, time(NULL), ret) == 0)
        return 0;
    return lb_ctl_fail(c, LB_EXIT_USAGE,
                       "%s: must be a duration (12h, 30d), a date (2027-01-31, "
                       "2027-01-31T12:00:00Z) or never",
                       text);
}

void lb_ctl_print(struct lb_ctl *c, struct lb_table *t, const char *when_empty) {
    if (t->rows_n > 0 || t->failed)
        lb_table_print(t, &c->out);
    else if (when_empty)
        lb_buf_printf(&c->out, "%s\n", when_empty);
    lb_table_fini(t);
}

void lb_ctl_begin_list(struct lb_ctl *c, const char *name) {
    if (!c->json)
        return;
    lb_json_object(&c->doc, NULL);
    lb_json_array(&c->doc, name);
}

int lb_ctl_end_list(struct lb_ctl *c, struct lb_table *t, const char *when_empty, int err) {
    if (err) {
        lb_table_fini(t);
        lb_buf_clear(&c->out);
    } else if (c->json) {
        lb_table_fini(t);
        lb_json_end(&c->doc);
        lb_json_end(&c->doc);
    } else {
        lb_ctl_print(c, t, when_empty);
    }
    return err;
}

void lb_ctl_show_text(struct lb_ctl *c, const char *name, struct lb_buf *text) {
    if (text->err)
        c->out.err = text->err;
    if (!c->json) {
        lb_buf_append(&c->out, lb_buf_slice(text));
        return;
    }
    lb_buf_append_char(text, '\0');
    lb_json_object(&c->doc, NULL);
    lb_json_str(&c->doc, name, text->ptr);
    lb_json_end(&c->doc);
}
