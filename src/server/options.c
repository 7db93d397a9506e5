#include "server/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

const char lb_options_help[] =
    "lobos serves a directory, or a volume of its own, as S3.\n"
    "\n"
    "Usage:\n"
    "  lobos -c FILE [options]     serve what the configuration file says\n"
    "  lobos --root DIR [options]  serve DIR: every folder in it is a bucket\n"
    "  lobos --dir DIR [options]   serve DIR as one bucket, named after its last component\n"
    "  lobos --volume FILE [options]\n"
    "                              serve what is in one file or block device\n"
    "\n"
    "Options:\n"
    "  -c, --config FILE                 configuration file (lobos.cfg documents every key)\n"
    "      --root DIR                    data root; its folders are the buckets\n"
    "  -d, --dir DIR                     one directory as one bucket\n"
    "      --volume FILE                 file or block device that holds everything; needs --size\n"
    "                                    when the file is not there\n"
    "      --size SIZE                   of a volume's file that is made: 100G\n"
    "      --format-volume               make an empty volume of FILE whatever is in it, and exit\n"
    "  -p, --port PORT                   port (default 8080; 0 takes a free one and prints it)\n"
    "  -t, --threads N                   HTTP threads (default: one per CPU, at most 8)\n"
    "  -c, --pin-threads-to-cpus         pin thread 0 to CPU 0, and so on (-c: only with --dir)\n"
    "  -e, --enable-lobos-index          keep directory contents in memory for lists (default)\n"
    "  -r, --lobos-index-refresh-sec SEC re-read a cached directory that is older, even if its\n"
    "                                    time stamp says it has not changed (default 0: trust it)\n"
    "      --set KEY=VALUE               override a key of the configuration, such as\n"
    "                                    --set durability=relaxed or --set "
    "filesystem.open_files=0\n"
    "      --check-config                check the configuration and exit\n"
    "      --import-users DIR            take over users and buckets that the original lobos\n"
    "                                    keeps in DIR, and exit; while no server runs\n"
    "  -h, --help                        show this help and exit\n"
    "      --version                     show the version and exit\n"
    "\n"
    "Environment (options come before it, the configuration file after):\n"
    "  LOBOS_ACCESS_KEY, LOBOS_SECRET_KEY  credentials; without them only loopback is served\n"
    "  LOBOS_BUCKETS=a,b                   buckets to create at start\n";

enum {
    OPT_ROOT = 256,
    OPT_SET,
    OPT_CHECK,
    OPT_VERSION,
    OPT_PIN,
    OPT_IMPORT,
    OPT_VOLUME,
    OPT_SIZE,
    OPT_FORMAT
};

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'C'},
    {"root", required_argument, NULL, OPT_ROOT},
    {"dir", required_argument, NULL, 'd'},
    {"volume", required_argument, NULL, OPT_VOLUME},
    {"size", required_argument, NULL, OPT_SIZE},
    {"format-volume", no_argument, NULL, OPT_FORMAT},
    {"port", required_argument, NULL, 'p'},
    {"threads", required_argument, NULL, 't'},
    {"pin-threads-to-cpus", no_argument, NULL, OPT_PIN},
    {"enable-lobos-index", no_argument, NULL, 'e'},
    {"lobos-index-refresh-sec", required_argument, NULL, 'r'},
    {"set", required_argument, NULL, OPT_SET},
    {"check-config", no_argument, NULL, OPT_CHECK},
    {"import-users", required_argument, NULL, OPT_IMPORT},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, OPT_VERSION},
    {NULL, 0, NULL, 0},
};

/* Short options. In the older form, which has a directory, -c pins threads; else it names the
 * configuration. "-" in front: arguments stay where they are. */
#define SHORT_WITH_DIR "d:p:t:cer:h"
#define SHORT_WITH_FILE "c:d:p:t:er:h"

/* Is "-dir.cfg" behind "-c", or "-cdir.cfg" itself, the name of a file? "-d DIR", "-cd DIR" and
 * "--dir=DIR" are options. arg: the argument with the 'd'; attached: more follows in it. */
static bool is_file_name(const char *arg, bool behind_c, bool attached) {
    if (arg[0] != '-' || arg[1] == '-' || !attached)
        return false;
    return behind_c || strcspn(arg, "c") < strcspn(arg, "d");
}

static bool has_dir(int argc, char **argv) {
    int option;
    const char *c = NULL; /* the argument before which stood "-c" */
    optind = 0;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "-" SHORT_WITH_DIR, long_options, NULL)) != -1) {
        const char *arg = argv[optind - 1];
        if (option == 'd' && !is_file_name(arg, arg == c, optarg != arg))
            return true;
        if (option == 'c')
            c = argv[optind];
    }
    return false;
}

static int set_directory(struct lb_config *c, const char *dir, bool single, struct lb_buf *why) {
    char *real = realpath(dir, NULL);
    if (!real) {
        lb_buf_printf(why, "%s: %s", dir, strerror(errno));
        return -EINVAL;
    }
    const char *bucket = single ? strrchr(real, '/') + 1 : "";
    int err = lb_config_set(c, "lobos", "backend", "filesystem", why);
    if (err == 0)
        err = lb_config_set(c, "filesystem", "directory", real, why);
    if (err == 0)
        err = lb_config_set(c, "filesystem", "single_bucket", bucket, why);
    if (err == 0 && single && !bucket[0]) {
        lb_buf_printf(why, "--dir %s: has no name that a bucket could have; use --root", dir);
        err = -EINVAL;
    }
    free(real);
    return err;
}

static int set_volume(struct lb_config *c, const char *path, struct lb_buf *why) {
    int err = lb_config_set(c, "lobos", "backend", "volume", why);
    return err ? err : lb_config_set(c, "volume", "path", path, why);
}

static int set_pair(struct lb_config *c, char *pair, struct lb_buf *why) {
    char *equals = strchr(pair, '=');
    if (!equals) {
        lb_buf_printf(why, "--set %s: must be KEY=VALUE", pair);
        return -EINVAL;
    }
    *equals = '\0';
    int err = lb_config_set(c, NULL, pair, equals + 1, why);
    *equals = '=';
    return err;
}

static int pin_threads(struct lb_config *c, struct lb_buf *why) {
    char cores[32];
    if (c->http_threads == 0)
        c->http_threads = lb_config_threads_auto();
    snprintf(cores, sizeof(cores), "0-%u", (unsigned)c->http_threads - 1);
    return lb_config_set(c, "lobos", "http_threads_cores", cores, why);
}

struct parsing {
    struct lb_config *config;
    struct lb_options *options;
    struct lb_buf *why;
    const char *argument; /* the one that the option is in */
    bool dir_form;
    bool pin;
};

/* One option that changes the configuration. */
static int apply(struct parsing *p, int option) {
    struct lb_config *c = p->config;
    switch (option) {
    case OPT_ROOT:
        p->options->single_dir = false;
        return set_directory(c, optarg, false, p->why);
    case 'd':
        p->options->single_dir = true;
        return set_directory(c, optarg, true, p->why);
    case OPT_VOLUME:
        return set_volume(c, optarg, p->why);
    case OPT_SIZE:
        return lb_config_set(c, "volume", "size", optarg, p->why);
    case 'p':
        return lb_config_set(c, "lobos", "port", optarg, p->why);
    case 't':
        return lb_config_set(c, "lobos", "http_threads", optarg, p->why);
    case 'e':
        return lb_config_set(c, "filesystem", "enable_index", "true", p->why);
    case 'r':
        return lb_config_set(c, "filesystem", "index_refresh_sec", optarg, p->why);
    case OPT_SET:
        return set_pair(c, optarg, p->why);
    case OPT_PIN:
        p->pin = true;
        return 0;
    default:
        lb_buf_printf(p->why, "%s: unknown option or missing value; lobos --help lists the options",
                      p->argument);
        return -EINVAL;
    }
}

/* First pass: what to do, and which file comes below the options. */
static int scan(struct parsing *p, int argc, char **argv, const char *short_options) {
    int option;
    optind = 0;
    while ((option = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
        if (option == 'h') {
            p->options->action = LB_OPTIONS_HELP;
        } else if (option == OPT_VERSION) {
            p->options->action = LB_OPTIONS_VERSION;
        } else if (option == OPT_CHECK) {
            p->options->action = LB_OPTIONS_CHECK;
        } else if (option == OPT_FORMAT) {
            p->options->action = LB_OPTIONS_FORMAT;
        } else if (option == OPT_IMPORT) {
            p->options->action = LB_OPTIONS_IMPORT;
            p->options->import_dir = optarg;
        } else if (option == 'C' || (option == 'c' && !p->dir_form)) {
            p->options->config_path = optarg;
        }
    }
    if (optind < argc) {
        lb_buf_printf(p->why, "%s: what is this? lobos --help lists the options", argv[optind]);
        return -EINVAL;
    }
    return 0;
}

/* Options that the first pass has dealt with. */
static bool is_scanned(int option) {
    return option == 'c' || option == 'C' || option == OPT_CHECK || option == OPT_IMPORT ||
           option == OPT_FORMAT;
}

static int apply_all(struct parsing *p, int argc, char **argv, const char *short_options) {
    int option, err = 0;
    optind = 0;
    while (err == 0 &&
           (option = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
        p->argument = argv[optind > 1 ? optind - 1 : 1];
        if (option == 'c' && p->dir_form)
            p->pin = true;
        else if (!is_scanned(option))
            err = apply(p, option);
    }
    return err == 0 && p->pin ? pin_threads(p->config, p->why) : err;
}

int lb_options_parse(int argc, char **argv, struct lb_config *c, struct lb_options *ret,
                     struct lb_buf *why) {
    struct parsing p = {.config = c, .options = ret, .why = why, .dir_form = has_dir(argc, argv)};
    const char *short_options = p.dir_form ? SHORT_WITH_DIR : SHORT_WITH_FILE;
    *ret = (struct lb_options){.action = LB_OPTIONS_RUN};
    int err = lb_config_init(c);
    if (err == 0)
        err = scan(&p, argc, argv, short_options);
    if (err < 0 || ret->action == LB_OPTIONS_HELP || ret->action == LB_OPTIONS_VERSION)
        return err;
    if (ret->config_path)
        err = lb_config_read_file(c, ret->config_path, why);
    if (err == 0)
        err = lb_config_read_environment(c, why);
    if (err == 0)
        err = apply_all(&p, argc, argv, short_options);
    if (err == 0)
        err = lb_config_check(c, why);
    return err;
}
