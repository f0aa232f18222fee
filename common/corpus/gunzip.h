/* gunzip: the members of a gzip file, inflated a piece at a time, by ISA-L where cloze was built with it,
 * and otherwise by zlib. The two differ in speed alone.
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

/* Prepares for the first or the next member, at whose beginning `in` is. */
void gunzip_begin(struct gunzip *gunzip);

/* Inflates until `in` is used up, `out` is full, or the member has ended and its CRC-32 and length are right; `in` is
 * then after the member. More bytes may follow in `out` when all of `in` has been taken. */
enum gunzip_result gunzip_run(struct gunzip *gunzip);

/* Frees what gunzip_begin() made. */
void gunzip_end(struct gunzip *gunzip);

#endif
