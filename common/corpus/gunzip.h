/* gunzip: the members of a gzip file, inflated a piece at a time, by ISA-L where it was there when cloze was built and
 * by zlib where not. Which of the two shows only in the time it takes.
 *
 * Source: RFC 1952. */
#ifndef CLOZE_CORPUS_GUNZIP_H
#define CLOZE_CORPUS_GUNZIP_H

#include <stddef.h>

enum gunzip_result { GUNZIP_GOES_ON, GUNZIP_MEMBER_ENDS, GUNZIP_DAMAGED };

/* Zero-initialize, and set the first four before each gunzip_run(), which moves them on. */
struct gunzip {
	const unsigned char *in;
	size_t in_left;
	unsigned char *out;
	size_t out_left;
	const char *damage;   /* what is wrong, after GUNZIP_DAMAGED */
	void *inflater;
};

/* Makes ready for a member, the first or one more; `in` is at its beginning. */
void gunzip_begin(struct gunzip *gunzip);

/* Inflates until there is no more `in`, no more room in `out`, or the member ends, its CRC-32 and its length found right;
 * `in` is then behind it. Some bytes may come out yet when all of `in` has been taken. */
enum gunzip_result gunzip_run(struct gunzip *gunzip);

/* Frees what gunzip_begin() made. */
void gunzip_end(struct gunzip *gunzip);

#endif
