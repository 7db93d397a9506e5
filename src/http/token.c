/* The table of byte classes: RFC 9110, 5.6.2 (tchar) and RFC 3986, 3.2.2 and 3.3. */
#include "http/token_priv.h"

#define C LB_HTTP_TCHAR
#define G LB_HTTP_TARGET
#define H LB_HTTP_HOST

const uint8_t lb_http_classes[256] = {
    ['!'] = C | G | H, /* sub-delims, tchar */
    ['"'] = G,
    ['$' ... '\''] = C | G | H, /* $ % & ' */
    ['(' ... ')'] = G | H,
    ['*' ... '+'] = C | G | H,
    [','] = G,
    ['-' ... '.'] = C | G | H,
    ['/'] = G,
    ['0' ... '9'] = C | G | H,
    [':' ... ';'] = G | H,
    ['<'] = G,
    ['='] = G | H,
    ['>' ... '@'] = G,
    ['A' ... 'Z'] = C | G | H,
    ['['] = G | H,
    ['\\'] = G,
    [']'] = G | H,
    ['^'] = C | G,
    ['_'] = C | G | H,
    ['`'] = C | G,
    ['a' ... 'z'] = C | G | H,
    ['{'] = G,
    ['|'] = C | G,
    ['}'] = G,
    ['~'] = C | G | H,
    [0x80 ... 0xff] = G,
};
