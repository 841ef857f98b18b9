/* SPDX-License-Identifier: ISC */
/*
 * tests/samples/httpd_file.h - files and directories below the root.
 */
#ifndef TESTS_SAMPLES_HTTPD_FILE_H
#define TESTS_SAMPLES_HTTPD_FILE_H

#include "httpd_conn.h"

/*
 * file_root_open - serve what is below dir.
 * Returns 0 or -errno.  Context: before gort_run().
 */
int file_root_open(const char *dir);

/* Answer a GET or HEAD of a file or directory. */
void file_serve(struct conn *c);

#endif
