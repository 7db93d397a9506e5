/* lobosctl uploads ... */
#include "ctl/commands.h"
#include "ctl/format.h"

static void list_one(struct lb_ctl *c, struct lb_table *t, const Lobosadmin__Upload *u) {
    char started[LB_FORMAT_MAX];
    if (c->json) {
        lb_json_object(&c->doc, NULL);
        lb_json_str(&c->doc, "bucket", u->bucket);
        lb_json_str(&c->doc, "key", u->key);
        lb_json_str(&c->doc, "id", u->id);
        lb_json_time(&c->doc, "started", u->started);
        lb_json_end(&c->doc);
        return;
    }
    lb_table_cell(t, u->key);
    lb_table_cell(t, u->id);
    lb_table_cell(t, lb_format_time(u->started, started));
}

int lb_uploads_list(struct lb_ctl *c) {
    static const char *const heads[] = {"KEY", "ID", "STARTED"};
    Lobosadmin__ListUploadsRequest request = LOBOSADMIN__LIST_UPLOADS_REQUEST__INIT;
    Lobosadmin__ListUploadsReply *page = NULL, *next;
    struct lb_table t;
    bool more = true;
    int err = 0;
    lb_table_init(&t, heads, "lll");
    lb_ctl_begin_list(c, "uploads");
    request.bucket = c->args.words[0];
    request.limit = LB_CTL_PAGE;
    while (more) {
        if (page) {
            request.after = page->uploads[page->n_uploads - 1]->key;
            request.after_id = page->uploads[page->n_uploads - 1]->id;
        }
        err = lb_ctl_call(c, "ListUploads", &request.base, &next);
        if (err)
            break;
        if (page)
            lb_message_free(&page->base);
        page = next;
        for (size_t i = 0; i < page->n_uploads; i++)
            list_one(c, &t, page->uploads[i]);
        more = page->more && page->n_uploads > 0;
    }
    if (page)
        lb_message_free(&page->base);
    return lb_ctl_end_list(c, &t, "No uploads are in progress.", err);
}

int lb_uploads_abort(struct lb_ctl *c) {
    Lobosadmin__UploadName request = LOBOSADMIN__UPLOAD_NAME__INIT;
    request.bucket = c->args.words[0];
    request.key = c->args.words[1];
    request.id = c->args.words[2];
    return lb_ctl_call_done(c, "AbortUpload", &request.base);
}
