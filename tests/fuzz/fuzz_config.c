/* The text of a configuration: an error is one line that begins with the file's name and says
 * where, and never tells a secret of [users]; what is good can be checked. */
#include <assert.h>

#include "server/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct lb_config c;
    struct lb_buf why;
    lb_buf_init(&why, 65536);
    int err = lb_config_init(&c);
    assert(err == 0);
    err = lb_config_read_text(&c, "fuzz.cfg", lb_slice(data, size), &why);
    assert((err < 0) == (why.len > 0));
    if (err < 0) {
        assert(lb_slice_starts_with(lb_buf_slice(&why), LB_S("fuzz.cfg:")));
        assert(!memchr(why.ptr, '\n', why.len));
    } else if (lb_config_check(&c, &why) == 0) {
        assert(c.fs_directory[0] && c.http_threads > 0 && c.http_threads <= 256);
        assert(c.auth || lb_config_is_loopback(c.listen_ip));
        assert(c.cores_n == 0 || c.cores_n == c.http_threads);
    }
    lb_config_fini(&c);
    lb_buf_fini(&why);
    return 0;
}
