/* Runs a fuzz target over the files of its corpus, without libFuzzer. An empty or missing corpus
 * fails. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path) {
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END) != 0)
        return -1;
    long size = ftell(f);
    rewind(f);
    uint8_t *data = size < 0 ? NULL : malloc((size_t)size + 1);
    if (!data || fread(data, 1, (size_t)size, f) != (size_t)size)
        return -1;
    fclose(f);
    LLVMFuzzerTestOneInput(data, (size_t)size);
    free(data);
    return 0;
}

int main(int argc, char **argv) {
    DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
    int replayed = 0;
    if (!dir) {
        fprintf(stderr, "usage: %s CORPUS_DIR (which must exist)\n", argv[0]);
        return 2;
    }
    for (struct dirent *entry; (entry = readdir(dir));) {
        char path[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
        if (replay(path) < 0) {
            perror(path);
            return 1;
        }
        replayed++;
    }
    closedir(dir);
    printf("%d inputs replayed\n", replayed);
    return replayed > 0 ? 0 : 1;
}
