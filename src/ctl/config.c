/* lobosctl config: settings for S3 clients, ready to paste. Asks no server. */
#include <ctype.h>

#include "ctl/commands.h"
#include "ctl/secret.h"

enum quoting { QUOTE_SHELL, QUOTE_JSON, QUOTE_NONE };

/* {endpoint} {host} {scheme} {https} {http} {tls} {access} {secret} {region} {bucket} stand for
 * values, quoted as the target wants it; a line that begins with {tls} is there with https only. */
static const struct target {
    const char *name;
    enum quoting quoting;
    const char *text;
} targets[] = {
    {"aws", QUOTE_SHELL,
     "# Paste into a shell; then: aws s3 ls\n"
     "export AWS_ACCESS_KEY_ID={access}\n"
     "export AWS_SECRET_ACCESS_KEY={secret}\n"
     "export AWS_DEFAULT_REGION={region}\n"
     "export AWS_ENDPOINT_URL={endpoint}  # before aws 2.13: aws --endpoint-url {endpoint} s3 "
     "ls\n"},
    {"boto3", QUOTE_JSON,
     "import boto3\n"
     "\n"
     "s3 = boto3.client(\n"
     "    \"s3\",\n"
     "    endpoint_url={endpoint},\n"
     "    region_name={region},\n"
     "    aws_access_key_id={access},\n"
     "    aws_secret_access_key={secret},\n"
     ")\n"},
    {"rclone", QUOTE_NONE,
     "# Append to ~/.config/rclone/rclone.conf; then: rclone lsd lobos:\n"
     "[lobos]\n"
     "type = s3\n"
     "provider = Other\n"
     "endpoint = {endpoint}\n"
     "region = {region}\n"
     "access_key_id = {access}\n"
     "secret_access_key = {secret}\n"},
    {"s3cmd", QUOTE_NONE,
     "# Save as ~/.s3cfg; then: s3cmd ls\n"
     "[default]\n"
     "host_base = {host}\n"
     "host_bucket = {host}\n"
     "use_https = {https}\n"
     "bucket_location = {region}\n"
     "access_key = {access}\n"
     "secret_key = {secret}\n"},
    {"warp", QUOTE_SHELL,
     "# Paste into a shell; it fills and empties the bucket warp-benchmark-bucket.\n"
     "export WARP_HOST={host}\n"
     "export WARP_ACCESS_KEY={access}\n"
     "export WARP_SECRET_KEY={secret}\n"
     "export WARP_REGION={region}\n"
     "{tls}export WARP_TLS=true\n"
     "warp mixed\n"},
    {"lmcache", QUOTE_JSON,
     "# LMCache's configuration file (LMCACHE_CONFIG_FILE). Its client knows only virtual hosts:\n"
     "# lobos.cfg needs default_bucket, the bucket that holds the cache.\n"
     "remote_url: {s3url}\n"
     "remote_serde: \"naive\"\n"
     "save_unfull_chunk: False\n"
     "extra_config:\n"
     "  s3_region: {region}\n"
     "  s3_enable_s3express: false\n"
     "  disable_tls: {http}\n"
     "  aws_access_key_id: {access}\n"
     "  aws_secret_access_key: {secret}\n"
     "  save_chunk_meta: False\n"},
    {"vllm", QUOTE_JSON,
     "# Options of vllm serve. The bucket must be there: lobosctl bucket add NAME\n"
     "--kv-transfer-config '{\n"
     "  \"kv_connector\": \"OffloadingConnector\",\n"
     "  \"kv_role\": \"kv_both\",\n"
     "  \"kv_connector_extra_config\": {\n"
     "    \"spec_name\": \"TieringOffloadingSpec\",\n"
     "    \"cpu_bytes_to_use\": 8589934592,\n"
     "    \"secondary_tiers\": [{\n"
     "      \"type\": \"obj\",\n"
     "      \"io_threads\": 16,\n"
     "      \"store_config\": {\n"
     "        \"bucket\": {bucket},\n"
     "        \"endpoint_override\": {host},\n"
     "        \"scheme\": {scheme},\n"
     "        \"region\": {region},\n"
     "        \"access_key\": {access},\n"
     "        \"secret_key\": {secret}\n"
     "      }\n"
     "    }]\n"
     "  }\n"
     "}'\n"},
    {"curl", QUOTE_SHELL,
     "# Lists the buckets; -T FILE with a URL of bucket and key uploads.\n"
     "curl --aws-sigv4 aws:amz:{region}:s3 --user {access}:{secret} \\\n"
     "    -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' {endpoint}/\n"},
};

#define VALUES_N 10

struct values {
    struct {
        const char *name;
        const char *value;
        bool bare; /* never quoted */
    } of[VALUES_N];
    bool https;
    char s3url[300];
};

/* ---- quoting ---- */

static void quote_shell(struct lb_buf *out, struct lb_slice s) {
    bool plain = s.len > 0;
    for (size_t i = 0; i < s.len; i++)
        plain = plain && (isalnum((unsigned char)s.ptr[i]) || strchr("_./:@%+=,-", s.ptr[i]));
    if (plain) {
        lb_buf_append(out, s);
        return;
    }
    lb_buf_append_char(out, '\'');
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '\'')
            lb_buf_append(out, LB_S("'\\''"));
        else
            lb_buf_append_char(out, s.ptr[i]);
    }
    lb_buf_append_char(out, '\'');
}

/* Also right in Python, in YAML, and between single quotes of a shell. */
static void quote_json(struct lb_buf *out, struct lb_slice s) {
    lb_buf_append_char(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '"' || s.ptr[i] == '\\' || s.ptr[i] == '\'')
            lb_buf_printf(out, "\\u%04x", s.ptr[i]);
        else
            lb_buf_append_char(out, s.ptr[i]);
    }
    lb_buf_append_char(out, '"');
}

static void append_value(struct lb_buf *out, const struct values *v, struct lb_slice name,
                         enum quoting quoting) {
    for (size_t i = 0; i < VALUES_N; i++) {
        if (!lb_slice_eq(name, lb_slice_cstr(v->of[i].name)))
            continue;
        struct lb_slice value = lb_slice_cstr(v->of[i].value);
        if (quoting == QUOTE_NONE || v->of[i].bare)
            lb_buf_append(out, value);
        else if (quoting == QUOTE_SHELL)
            quote_shell(out, value);
        else
            quote_json(out, value);
        return;
    }
}

static void fill(struct lb_buf *out, const struct target *t, const struct values *v) {
    struct lb_slice rest = lb_slice_cstr(t->text);
    while (rest.len > 0) {
        struct lb_slice line = lb_slice_cut(&rest, '\n');
        if (lb_slice_starts_with(line, LB_S("{tls}")) && !v->https)
            continue;
        while (line.len > 0) {
            ptrdiff_t open = lb_slice_find(line, '{');
            ptrdiff_t close = lb_slice_find(line, '}');
            bool named = open >= 0 && close > open + 1;
            lb_buf_append(out, named ? lb_slice_first(line, (size_t)open) : line);
            if (!named)
                break;
            struct lb_slice name = lb_slice(line.ptr + open + 1, (size_t)(close - open - 1));
            append_value(out, v, name, t->quoting);
            line = lb_slice_from(line, (size_t)close + 1);
        }
        lb_buf_append_char(out, '\n');
    }
}

/* ---- values ---- */

static const char *option_or(const struct lb_ctl *c, const char *name, const char *otherwise) {
    const char *value = lb_ctl_option(c, name);
    return value && value[0] ? value : otherwise;
}

static int check_endpoint(struct lb_ctl *c, const char *endpoint) {
    const char *host = strstr(endpoint, "://");
    bool http = strncmp(endpoint, "http://", 7) == 0 || strncmp(endpoint, "https://", 8) == 0;
    if (http && host[3] && !strpbrk(host + 3, "/?# "))
        return 0;
    return lb_ctl_fail(c, LB_EXIT_USAGE,
                       "--endpoint %s: must be http:// or https:// with host and port only",
                       endpoint);
}

static int set_values(struct lb_ctl *c, const char *secret, struct values *v) {
    const char *endpoint = option_or(c, "endpoint", "http://127.0.0.1:8080");
    int err = check_endpoint(c, endpoint);
    if (err)
        return err;
    bool https = strncmp(endpoint, "https", 5) == 0;
    const char *host = strstr(endpoint, "://") + 3;
    *v = (struct values){
        .of = {{"endpoint", endpoint, false},
               {"host", host, false},
               {"scheme", https ? "https" : "http", false},
               {"https", https ? "True" : "False", true},
               {"http", https ? "false" : "true", true},
               {"access", option_or(c, "access-key", "ACCESS_KEY"), false},
               {"secret", secret ? secret : "SECRET_KEY", false},
               {"region", option_or(c, "region", "us-east-1"), false},
               {"bucket", option_or(c, "bucket", "kvcache"), false},
               {"s3url", v->s3url, false}},
        .https = https,
    };
    snprintf(v->s3url, sizeof(v->s3url), "s3://%s", host);
    for (size_t i = 0; i < VALUES_N; i++) {
        for (const char *s = v->of[i].value; *s; s++) {
            if ((unsigned char)*s < 0x20 || *s == 0x7f)
                return lb_ctl_fail(c, LB_EXIT_USAGE, "a value has a control character in it");
        }
    }
    return 0;
}

int lb_config(struct lb_ctl *c) {
    struct values v;
    struct lb_buf text;
    char *secret;
    int err = lb_secret_option(c, &secret);
    if (err)
        return err;
    err = set_values(c, secret, &v);
    lb_buf_init(&text, LB_CTL_OUTPUT_MAX);
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]) && err == 0; i++) {
        if (strcmp(targets[i].name, c->args.words[0]) == 0)
            fill(&text, &targets[i], &v);
    }
    if (err == 0)
        lb_ctl_show_text(c, "settings", &text);
    if (text.ptr)
        explicit_bzero(text.ptr, text.cap);
    lb_buf_fini(&text);
    lb_secret_free(secret);
    return err;
}
