#include "ctl/screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/buf.h"

#define ENTER "\033[?1049h\033[?25l" /* the other page, no cursor */
#define LEAVE "\033[?25h\033[?1049l"
#define COLUMNS 80
#define ROWS 24

static struct termios before;
static volatile sig_atomic_t ended;

static void on_end(int signal) {
    ended = 1;
}

/* Its only effect is that poll returns. */
static void on_resize(int signal) {}

static void put(struct lb_slice s) {
    while (s.len > 0) {
        ssize_t n = write(STDOUT_FILENO, s.ptr, s.len);
        if (n < 0 && errno != EINTR)
            return;
        s = lb_slice_from(s, n < 0 ? 0 : (size_t)n);
    }
}

int lb_screen_open(void) {
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    struct sigaction action = {.sa_handler = on_end};
    if (!isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &before) < 0)
        return -ENOTTY;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        sigaction(ends[i], &action, NULL);
    action.sa_handler = on_resize;
    sigaction(SIGWINCH, &action, NULL);
    struct termios raw = before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VSUSP] = _POSIX_VDISABLE; /* it would leave the terminal as it is now */
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    put(LB_S(ENTER));
    return 0;
}

void lb_screen_close(void) {
    put(LB_S(LEAVE));
    tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

void lb_screen_size(unsigned *ret_columns, unsigned *ret_rows) {
    struct winsize size = {0};
    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    *ret_columns = size.ws_col ? size.ws_col : COLUMNS;
    *ret_rows = size.ws_row ? size.ws_row : ROWS;
}

/* The first n code points of a text without escape sequences. */
static struct lb_slice first_columns(struct lb_slice s, unsigned n) {
    size_t at = 0;
    for (; at < s.len; at++) {
        bool begins = ((unsigned char)s.ptr[at] & 0xc0) != 0x80;
        if (begins && n-- == 0)
            break;
    }
    return lb_slice_first(s, at);
}

void lb_screen_draw(struct lb_slice text) {
    unsigned columns, rows;
    struct lb_buf page;
    lb_screen_size(&columns, &rows);
    lb_buf_init(&page, 1 << 20);
    lb_buf_append(&page, LB_S("\033[H"));
    for (unsigned row = 0; row < rows && text.len > 0; row++) {
        if (row > 0)
            lb_buf_append(&page, LB_S("\r\n"));
        lb_buf_append(&page, first_columns(lb_slice_cut(&text, '\n'), columns));
        lb_buf_append(&page, LB_S("\033[K"));
    }
    lb_buf_append(&page, LB_S("\033[J"));
    put(lb_buf_slice(&page));
    lb_buf_fini(&page);
}

int lb_screen_key(int timeout_ms) {
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    char key;
    if (ended || poll(&input, 1, timeout_ms) <= 0)
        return 0;
    if (read(STDIN_FILENO, &key, 1) == 1)
        return (unsigned char)key;
    ended = 1; /* the terminal is gone */
    return 0;
}

bool lb_screen_ended(void) {
    return ended;
}
