/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/fuzz_replay.c - main() of a fuzz target where libFuzzer is not: runs the target over the
 * empty input and over every file of the corpus folder named on the command line. A finding is a
 * crash. A corpus that is missing or empty is a failure: such a test would prove nothing. */
#include "base/base.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* True when the file could be read and was run. */
static bool run_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = NULL;
    size_t len = 0;
    size_t cap = 0;

    if (f == NULL) {
        perror(path);
        return false;
    }
    for (;;) {
        size_t got;

        if (len == cap) {
            cap = cap == 0 ? 4096 : cap * 2;
            data = realloc(data, cap);
            assert(data != NULL);
        }
        got = fread(data + len, 1, cap - len, f);
        if (got == 0) {
            break;
        }
        len += got;
    }
    fclose(f);
    /* An allocation of exactly the input's size lets the address sanitizer see an over-read. */
    data = realloc(data, len > 0 ? len : 1);
    assert(data != NULL);
    LLVMFuzzerTestOneInput(data, len);
    free(data);
    return true;
}

int main(int argc, char **argv)
{
    size_t n = 0;

    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++) {
        DIR *dir = opendir(argv[i]);
        struct dirent *e;

        if (dir == NULL) {
            perror(argv[i]);
            return 1;
        }
        while ((e = readdir(dir)) != NULL) {
            char path[4096];

            if (e->d_name[0] == '.') {
                continue;
            }
            snprintf(path, sizeof path, "%s/%s", argv[i], e->d_name);
            if (!run_file(path)) {
                return 1;
            }
            n++;
        }
        closedir(dir);
    }
    printf("%zu inputs\n", n);
    return n > 0 ? 0 : 1;
}
