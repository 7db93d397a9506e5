/* The table that command lines, help and completion come from. */
#include "ctl/commands.h"

#include "ctl/config_targets.h"

#define WHEN "WHEN"
#define ACCESS "private public-read public-read-write authenticated-read open-read"
#define VERSIONING "off enabled suspended"
#define DURABILITY "server sync relaxed"
#define ANY UINT32_MAX

const struct lb_option lb_options_global[] = {
    {"server", "HOST:PORT", "the control plane (LOBOS_SERVER; default 127.0.0.1:50051)", NULL},
    {"token-file", "FILE", "a file that holds the bearer token (or LOBOS_TOKEN, the token)", NULL},
    {"ca", "FILE", "use TLS, and trust the certificates in this PEM file", NULL},
    {"cert", "FILE", "our certificate for mutual TLS, PEM", NULL},
    {"key", "FILE", "its key, PEM", NULL},
    {"timeout", "SECONDS", "how long an answer may take (default 10)", NULL},
    {"json", NULL, "print JSON", NULL},
    {"yes", NULL, "don't ask before something is removed", NULL},
    {"help", NULL, "show help (-h)", NULL},
    {"version", NULL, "show the version", NULL},
    {0},
};

static const struct lb_option user_add[] = {
    {"admin", NULL, "may do everything", NULL},
    {"no-key", NULL, "without a key", NULL},
    {"expires", WHEN, "end of the key's validity: 30d, 2027-01-31", NULL},
    {0},
};
static const struct lb_option list_prefix[] = {
    {"prefix", "TEXT", "only names that begin with it", NULL},
    {0},
};
static const struct lb_option key_add[] = {
    {"access-key", "KEY", "take this one; default: a new one", NULL},
    {"secret-key", "SECRET", "take this one; -: read it from standard input", NULL},
    {"expires", WHEN, "end of its validity: 30d, 2027-01-31", NULL},
    {0},
};
static const struct lb_option key_rotate[] = {
    {"keep", "DURATION", "how long the old key stays valid: 12h, 7d (default 0s)", NULL},
    {0},
};
static const struct lb_option grant_list[] = {
    {"bucket", "NAME", "only grants that cover this bucket", NULL},
    {0},
};
static const struct lb_option bucket_settings[] = {
    {"owner", "USER", "who owns it; empty: the administrator", NULL},
    {"access", "ACCESS", "what those may do who have no rights", ACCESS},
    {"versioning", "STATE", "what becomes of replaced objects", VERSIONING},
    {"durability", "KIND", "what a power failure may take", DURABILITY},
    {0},
};
static const struct lb_option top[] = {
    {"once", NULL, "print one sample and end", NULL},
    {"interval", "SECONDS", "time between two samples (default 2)", NULL},
    {0},
};
static const struct lb_option config[] = {
    {"endpoint", "URL", "where S3 is (default http://127.0.0.1:8080)", NULL},
    {"access-key", "KEY", "the public half of the key", NULL},
    {"secret-key", "SECRET", "the secret half; -: read it from standard input", NULL},
    {"region", "NAME", "region to sign for (default us-east-1)", NULL},
    {"bucket", "NAME", "the bucket (default kvcache)", NULL},
    {0},
};

const struct lb_command lb_commands[] = {
    {"user", "add", "NAME[:KEY:SECRET]... | -", 1, ANY, NULL,
     "create users; - reads them from standard input, one a line", lb_user_add, user_add},
    {"user", "list", "", 0, 0, NULL, "list users", lb_user_list, list_prefix},
    {"user", "show", "NAME", 1, 1, NULL, "show a user with keys and grants", lb_user_show, NULL},
    {"user", "rm", "NAME", 1, 1, NULL, "remove a user; asks if there are keys", lb_user_rm, NULL},
    {"user", "admin", "NAME on|off", 2, 2, NULL, "make a user an administrator, or not",
     lb_user_admin, NULL},

    {"key", "add", "USER", 1, 1, NULL, "add a key to a user", lb_key_add, key_add},
    {"key", "list", "[USER]", 0, 1, NULL, "list keys, without secrets", lb_key_list, NULL},
    {"key", "rm", "KEY", 1, 1, NULL, "remove a key", lb_key_rm, NULL},
    {"key", "rotate", "KEY", 1, 1, NULL, "replace a key by a new one", lb_key_rotate, key_rotate},
    {"key", "disable", "KEY", 1, 1, NULL, "accept a key no longer, until it is enabled",
     lb_key_disable, NULL},
    {"key", "enable", "KEY", 1, 1, NULL, "accept a disabled key again", lb_key_enable, NULL},
    {"key", "expire", "KEY WHEN", 2, 2, NULL, "set the end of a key: 30d, 2027-01-31, never",
     lb_key_expire, NULL},

    {"grant", "add", "USER BUCKET RIGHT...", 3, 6, NULL,
     "grant rights: read, write, list, owner; BUCKET may end in *", lb_grant_add, NULL},
    {"grant", "rm", "USER BUCKET [RIGHT...]", 2, 6, NULL, "revoke rights, or the whole grant",
     lb_grant_rm, NULL},
    {"grant", "list", "[USER]", 0, 1, NULL, "list grants", lb_grant_list, grant_list},

    {"bucket", "add", "NAME", 1, 1, NULL, "create a bucket", lb_bucket_add, bucket_settings},
    {"bucket", "list", "", 0, 0, NULL, "list buckets with what is in them", lb_bucket_list,
     list_prefix},
    {"bucket", "show", "NAME", 1, 1, NULL, "show a bucket's settings and usage", lb_bucket_show,
     NULL},
    {"bucket", "set", "NAME", 1, 1, NULL, "change settings of a bucket", lb_bucket_set,
     bucket_settings},
    {"bucket", "rm", "NAME", 1, 1, NULL, "remove an empty bucket", lb_bucket_rm, NULL},

    {"uploads", "list", "BUCKET", 1, 1, NULL, "list multipart uploads in progress", lb_uploads_list,
     NULL},
    {"uploads", "abort", "BUCKET KEY ID", 3, 3, NULL, "abort a multipart upload", lb_uploads_abort,
     NULL},

    {NULL, "status", "", 0, 0, NULL, "show what the server is and does", lb_status, NULL},
    {NULL, "reload", "", 0, 0, NULL, "read the configuration file again, as SIGHUP does", lb_reload,
     NULL},
    {NULL, "drain", "", 0, 0, NULL, "finish what is in progress and stop, as SIGTERM does",
     lb_drain, NULL},
    {NULL, "top", "", 0, 0, NULL, "watch requests, bytes and latencies", lb_top, top},

    {NULL, "doctor", "[DIR]", 0, 1, NULL, "check this machine, and DIR as a data root", lb_doctor,
     NULL},
    {NULL, "config", "CLIENT", 1, 1, LB_CONFIG_TARGETS, "print settings for an S3 client",
     lb_config, config},
    {NULL, "completion", "SHELL", 1, 1, "bash zsh fish", "print the shell's completion",
     lb_completion, NULL},
    {NULL, "help", "[COMMAND]", 0, 2, NULL, "show help", lb_help, NULL},
    {0},
};
