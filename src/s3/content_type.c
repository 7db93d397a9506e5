/* Content types by extension, for files that no S3 client wrote. */
#include "s3/object_headers_priv.h"

/* Sorted by use; a short list is searched faster than a table is hashed. */
static const struct {
    struct lb_slice extension, type;
} types[] = {
#define TYPE(extension, type)                 \
    {                                         \
        {extension, sizeof(extension) - 1}, { \
            type, sizeof(type) - 1            \
        }                                     \
    }
    TYPE("html", "text/html"),
    TYPE("htm", "text/html"),
    TYPE("css", "text/css"),
    TYPE("js", "text/javascript"),
    TYPE("mjs", "text/javascript"),
    TYPE("json", "application/json"),
    TYPE("txt", "text/plain"),
    TYPE("log", "text/plain"),
    TYPE("md", "text/markdown"),
    TYPE("csv", "text/csv"),
    TYPE("xml", "application/xml"),
    TYPE("yaml", "application/yaml"),
    TYPE("yml", "application/yaml"),
    TYPE("pdf", "application/pdf"),
    TYPE("png", "image/png"),
    TYPE("jpg", "image/jpeg"),
    TYPE("jpeg", "image/jpeg"),
    TYPE("gif", "image/gif"),
    TYPE("webp", "image/webp"),
    TYPE("avif", "image/avif"),
    TYPE("svg", "image/svg+xml"),
    TYPE("ico", "image/x-icon"),
    TYPE("bmp", "image/bmp"),
    TYPE("tif", "image/tiff"),
    TYPE("tiff", "image/tiff"),
    TYPE("mp3", "audio/mpeg"),
    TYPE("ogg", "audio/ogg"),
    TYPE("wav", "audio/wav"),
    TYPE("flac", "audio/flac"),
    TYPE("mp4", "video/mp4"),
    TYPE("webm", "video/webm"),
    TYPE("mkv", "video/x-matroska"),
    TYPE("mov", "video/quicktime"),
    TYPE("woff", "font/woff"),
    TYPE("woff2", "font/woff2"),
    TYPE("ttf", "font/ttf"),
    TYPE("otf", "font/otf"),
    TYPE("wasm", "application/wasm"),
    TYPE("zip", "application/zip"),
    TYPE("gz", "application/gzip"),
    TYPE("tgz", "application/gzip"),
    TYPE("bz2", "application/x-bzip2"),
    TYPE("xz", "application/x-xz"),
    TYPE("zst", "application/zstd"),
    TYPE("tar", "application/x-tar"),
    TYPE("7z", "application/x-7z-compressed"),
    TYPE("parquet", "application/vnd.apache.parquet"),
#undef TYPE
};

struct lb_slice s3_content_type_of(struct lb_slice key) {
    size_t at = key.len;
    while (at > 0 && key.ptr[at - 1] != '.' && key.ptr[at - 1] != '/')
        at--;
    if (at > 0 && key.ptr[at - 1] == '.') {
        struct lb_slice extension = lb_slice_from(key, at);
        for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
            if (lb_slice_eq_nocase(types[i].extension, extension))
                return types[i].type;
        }
    }
    return LB_S("binary/octet-stream");
}
