/* A store in one file, for sealmq: every commit writes the whole file anew, and renames it into place.
 * A member's state is some tens of kilobytes, and a commit is rare: this is fast enough, and a power cut
 * leaves the old file or the new one. The file holds secrets in clear: mode 0600, on a disk that is
 * encrypted if others can take it away. */
#ifndef STORE_H
#define STORE_H

#include <sealmq.h>

typedef struct file_store file_store;

/* Opens PATH, or begins an empty store. NULL, with a line on stderr, if it cannot be read, or if another
 * process has it open. */
file_store *file_store_open(const char *path);

/* Its callbacks, valid until it is closed. */
const sealmq_store *file_store_callbacks(const file_store *store);

void file_store_close(file_store *store);

#endif
